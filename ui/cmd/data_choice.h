/* ui/cmd/data_choice.h: the files of examples that --data names, read as a run would read them. */
#ifndef UI_CMD_DATA_CHOICE_H
#define UI_CMD_DATA_CHOICE_H

#include "engine/model.h"
#include "training/data.h"
#include "ui/cmd/arguments.h"

/* --data, --max-length, --too-long, --learn, --wrap. */
extern const ui_option ui_options_data[];

/* Nothing is held out. ERR_USAGE without --data; the errors of training_data_open. A note on stderr says what
 * was cut, dropped, left out, and which keys no form knows. Ctrl-C cancels. */
err ui_data_open(ui_cli *cli, const ui_arguments *a, const engine_model *model, training_data **out);

#endif
