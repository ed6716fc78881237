/* training/nccl/module.h: what hyprstream-nccl.so gives to the program that opens it. */
#ifndef TRAINING_NCCL_MODULE_H
#define TRAINING_NCCL_MODULE_H

#include <stddef.h>

#define TRAINING_NCCL_SYMBOL    "hyprstream_nccl_module"
#define TRAINING_NCCL_SIGNATURE 1 /* raised with every change of the struct */

typedef struct training_nccl_id {
    char bytes[128];
} training_nccl_id;

/* Functions give 0, or -1 with words in `why` (of 256 bytes). */
typedef struct training_nccl_module {
    int (*open)(int *version, char *why);     /* libnccl.so.2; 22403 is 2.24.3 */
    int (*use_device)(int device, char *why); /* of the calling thread, from now on */
    int (*make_id)(training_nccl_id *out, char *why);
    int (*join)(const training_nccl_id *id, int number, int count, char *why); /* waits for all */
    /* f32 in the device's memory, in the order of its default stream; gives back before it is done. */
    int (*sum)(void *values, size_t count, char *why);
    void (*leave)(int failed);
} training_nccl_module;

typedef const training_nccl_module *training_nccl_module_function(int signature);

#endif
