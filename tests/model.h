/* The protocol of the device, written down directly: plain C on plain arrays,
 * one lane after another in ascending order.  Nothing of the library is used
 * but its numbers.  Where the order of lanes shows, a step of all lanes of a
 * workgroup comes before the next step, as far as it matters here: the claims
 * and counters of the priority scan.
 */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stdint.h>

/* Words that a kernel can reach; at NULL: the kernel was built without. */
typedef struct model_words {
    uint32_t *at;
    uint32_t  count;
} model_words;

typedef enum model_kind { MODEL_DIRECT, MODEL_JIT, MODEL_PRIORITY } model_kind;

typedef struct model {
    model_words control, ring, log, io, table, mirror, cancel;
    model_kind  kind;
    bool        once, open_header, load_miss, io_polling, narrow, whole;
    bool        counts_io; /* IO requests, in word 159: a kernel with a mirror does */
    bool        widths;    /* it has the handlers of many lanes, or such a payload */
    uint32_t    lanes;  /* in all */
    uint32_t    group;  /* of them in a workgroup */
    uint32_t    rounds; /* of a looping kernel, for each workgroup */
    uint32_t    streak[64], turn[64]; /* of each lane of a workgroup */
} model;

/* The sample handlers, and the payload of kind JIT, as test_kernel_random.c
 * emits them. */
#define MODEL_OP_SMALL 0x09u   /* fits a packed slot, has a metric */
#define MODEL_OP_FAULT 0x7fu   /* fits a packed slot */
#define MODEL_OP_LARGE 0x40001u
#define MODEL_OP_RANGE 0x0bu   /* many lanes, a range; fits a packed slot, and may not */
#define MODEL_OP_TILES 0x40002u /* many lanes, workgroups */
#define MODEL_SHARED   288u    /* the control word that they add to */
#define MODEL_SHARES   16u     /* from there on: those of many lanes add to all of them */

void model_run(model *m);

#endif
