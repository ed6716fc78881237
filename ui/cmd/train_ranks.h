/* ui/cmd/train_ranks.h: `train` under mpirun or srun, where the launcher's processes are the run's. */
#ifndef UI_CMD_TRAIN_RANKS_H
#define UI_CMD_TRAIN_RANKS_H

#include "training/ranks.h"
#include "ui/cmd/arguments.h"

typedef struct ui_train_ranks {
    training_ranks *ranks; /* NULL: no launcher started this process */
    bool led;              /* the run told the others how it went */
} ui_train_ranks;

/* Joins the others where a launcher started this process. *follows: it is another than
 * rank 0, has done its part, and says nothing more. The caller ends with _leave. */
err ui_train_join(ui_cli *cli, ui_train_ranks *out, bool *follows);
/* Rank 0: the run of this id, in this process, shown as it goes. */
err ui_train_lead(ui_cli *cli, ui_train_ranks *together, const char *id, bool json);
/* The others hear how it went, also where no run was begun. */
void ui_train_leave(ui_train_ranks *together, err e);

#endif
