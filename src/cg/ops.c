/*
 * ops: the table of operations. Enters: an operation; leaves: its emitters.
 */
#include "cg/ops.h"

#define SAME(fn)                                                                                   \
    {                                                                                              \
        fn, fn                                                                                     \
    }
#define BOTH(op)                                                                                   \
    {                                                                                              \
        cg_k_##op, cg_u_##op                                                                       \
    }
#define USER(op)                                                                                   \
    {                                                                                              \
        NULL, cg_u_##op                                                                            \
    }

const struct cg_op cg_ops[IR_OP_COUNT] = {
    [IR_CONST] = SAME(cg_emit_const),
    [IR_MODADDR] = SAME(cg_emit_modaddr),
    [IR_ADD] = SAME(cg_emit_alu),
    [IR_SUB] = SAME(cg_emit_alu),
    [IR_MUL] = SAME(cg_emit_alu),
    [IR_DIV] = SAME(cg_emit_div),
    [IR_MOD] = SAME(cg_emit_div),
    [IR_AND] = SAME(cg_emit_alu),
    [IR_OR] = SAME(cg_emit_alu),
    [IR_XOR] = SAME(cg_emit_alu),
    [IR_SHL] = SAME(cg_emit_alu),
    [IR_SHR] = SAME(cg_emit_alu),
    [IR_USHR] = SAME(cg_emit_alu),
    [IR_SEXT] = SAME(cg_emit_extend),
    [IR_ZEXT] = SAME(cg_emit_extend),
    [IR_SET] = SAME(cg_emit_set),
    [IR_LOAD] = SAME(cg_emit_load),
    [IR_STORE] = SAME(cg_emit_store),
    [IR_GLOAD] = SAME(cg_emit_gload),
    [IR_GSTORE] = SAME(cg_emit_gstore),
    [IR_GADD] = SAME(cg_emit_gadd),
    [IR_GCLEAR] = SAME(cg_emit_gclear),
    [IR_GSGET] = BOTH(gsget),
    [IR_GSSET] = BOTH(gsset),
    [IR_GSCAT] = BOTH(gscat),
    [IR_BUDGET] = SAME(cg_emit_budget),
    [IR_CHARGE] = SAME(cg_emit_budget),
    [IR_GSTAT] = BOTH(gstat),
    [IR_GSTATGET] = BOTH(gstatget),
    [IR_READ] = BOTH(read),
    [IR_SREAD] = BOTH(sread),
    [IR_CONTEXT] = BOTH(context),
    [IR_SSET] = BOTH(sset),
    [IR_SCAT] = BOTH(scat),
    [IR_SFMT] = BOTH(sfmt),
    [IR_SFMTS] = BOTH(sfmts),
    [IR_SMARK] = BOTH(smark),
    [IR_SCONTEXT] = BOTH(scontext),
    [IR_SERROR] = BOTH(serror),
    [IR_SLEN] = SAME(cg_k_slen),
    [IR_SEQ] = BOTH(seq),
    [IR_SCMP] = BOTH(scmp),
    [IR_MGET] = BOTH(mget),
    [IR_MGETS] = BOTH(mgets),
    [IR_MHAS] = BOTH(mhas),
    [IR_MSET] = BOTH(mset),
    [IR_MSETS] = BOTH(msets),
    [IR_MADD] = BOTH(madd),
    [IR_MSTAT] = BOTH(mstat),
    [IR_MSTATGET] = BOTH(mstatget),
    [IR_MDEL] = BOTH(mdel),
    [IR_MTAKE] = USER(mtake),
    [IR_MCLEAR] = USER(mclear),
    [IR_FEBEGIN] = USER(febegin),
    [IR_FENEXT] = USER(fenext),
    [IR_FEEND] = USER(feend),
    [IR_HIST] = USER(hist),
    [IR_GBUCKET] = USER(gbucket),
    [IR_MBUCKET] = USER(mbucket),
    [IR_PRINT] = BOTH(print),
    [IR_WARN] = BOTH(warn),
    [IR_EXIT] = BOTH(exit),
    [IR_FCALL] = BOTH(fcall),
    [IR_UCALL] = USER(ucall),
    [IR_PUSH] = SAME(cg_push_pop),
    [IR_POP] = SAME(cg_push_pop),
    [IR_RAISE] = BOTH(raise),
    [IR_PAUSE] = {cg_k_pause, NULL},
    [IR_HANDOVER] = {cg_k_handover, NULL},
};
