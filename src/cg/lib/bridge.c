/*
 * bridge: how the walk of a program's stack goes on where no row leads: by an address that a
 * breakpoint has replaced, through compiled Lua, and through helpers of LuaJIT's interpreter.
 * Enters: the walk's words, at a frame without a row, or where the script says that the
 * interpreter's frame is; leaves: in them that address, or the caller of that frame.
 * Refused: stacks in which no frame names a state that names it.
 */
#include "cg/lib/unwind.h"

#include "arch/arch.h"

/* Words between the stack pointer of compiled Lua, or a helper, and the interpreter's frame: what a
 * trace spills, an exit saves. GCT of a lua_State (lj_obj.h). */
enum { BRIDGE_WORDS = 96, LUA_THREAD = 6 };

/* The caller of a frame whose CFA is r7, and that begins with "push frame pointer", is at hand. */
static void leave_frame(struct cg_lib_fn *f, uint32_t none)
{
    cg_stx(&f->s, BPF_DW, R6, word(f, CG_UNWIND_SP), R7);
    cg_lib_read_word(f, CG_UNWIND_IP, R7, -8, none);
    cg_lib_read_word(f, CG_UNWIND_FP, R7, -16, none);
}

/* Likewise, of LuaJIT's: where no code is at the address, it is a frame with more registers. */
static void go_on(struct cg_lib_fn *f, uint32_t none)
{
    const int more = f->c->cx->arch->unwind.lua_more;
    struct cg_asm *s = &f->s;
    uint32_t found = cg_label(s);

    cg_sti(s, BPF_DW, R6, word(f, CG_UNWIND_CALL), 1);
    leave_frame(f, none);
    if (!more)
        return;
    cg_mov(s, R1, R6);
    cg_ldx(s, BPF_DW, R2, R6, word(f, CG_UNWIND_IP));
    cg_lib_call(f, CG_LIB_UNWIND_RANGE);
    cg_jmpi(s, BPF_JNE, R0, 0, found);
    cg_mov(s, R1, R6);
    cg_lib_call(f, CG_LIB_UNWIND_RETURN);
    cg_jmpi(s, BPF_JNE, R0, 0, found);
    cg_alui(s, BPF_ADD, R7, more);
    leave_frame(f, none);
    cg_bind(s, found);
}

/*
 * Where that is not. A caller's address before which there is no table, while there is one from it
 * on, is where a function begins: no call has left it, but who made the stack (makecontext). Nobody
 * called that function, so the walk is whole.
 */
static void begins(struct cg_lib_fn *f)
{
    struct cg_asm *s = &f->s;
    uint32_t no = cg_label(s);

    cg_ldx(s, BPF_DW, R1, R6, word(f, CG_UNWIND_CALL));
    cg_jmpi(s, BPF_JEQ, R1, 0, f->l_bad);
    cg_ldx(s, BPF_DW, R1, R6, word(f, CG_UNWIND_END));
    cg_jmpi(s, BPF_JNE, R1, NGS_END_NO_TABLE, f->l_bad);
    cg_ldx(s, BPF_DW, R2, R6, word(f, CG_UNWIND_IP));
    cg_ldx(s, BPF_DW, R1, R6, range(f, RANGE(bias)));
    cg_alu(s, BPF_SUB, R2, R1);
    cg_mov(s, R1, R6);
    cg_lib_call(f, CG_LIB_UNWIND_ROW);
    cg_jmpi(s, BPF_JEQ, R0, NGS_CFA_NONE, f->l_bad);
    cg_sti(s, BPF_DW, R6, word(f, CG_UNWIND_END), NGS_END_OUTERMOST);
    cg_ldx(s, BPF_DW, R1, R6, word(f, CG_UNWIND_N));
    cg_jmpi(s, BPF_JEQ, R1, 0, f->l_bad);
    cg_jmpi(s, BPF_JGT, R1, NGS_STACK_MAX, f->l_bad);
    cg_alui(s, BPF_LSH, R1, 3);
    cg_alu(s, BPF_ADD, R1, R6);
    cg_ldx(s, BPF_DW, R2, R1, word(f, CG_UNWIND_PLACES - 1));
    cg_mov(s, R3, R2);
    cg_alui(s, BPF_RSH, R3, 61);
    cg_jmpi(s, BPF_JNE, R3, (int)(NGS_PLACE(0, 0) >> 61 | 1), no);
    cg_movi(s, R3, (int64_t)NGS_PLACE_CALL);
    cg_alu(s, BPF_SUB, R2, R3);
    cg_stx(s, BPF_DW, R1, word(f, CG_UNWIND_PLACES - 1), R2);
    cg_bind(s, no);
    cg_lib_leave(f, 0);
}

/*
 * Compiled Lua has no rows, and in helpers of LuaJIT's interpreter that have pushed a return
 * address the rows are wrong, so that the next address is in no code. Both run below the frame of
 * the interpreter: it is looked for upwards from the stack pointer, by the state that it names and
 * that names it, or that has named one which names it (lj_frame.h, CFRAME_OFS_L, CFRAME_OFS_PREV;
 * lj_obj.h, struct lua_State). So the interpreter needs no rows itself (LUAJIT_NO_UNWIND).
 */
void cg_lib_unwind_bridge(struct cg_lib_fn *f)
{
    const struct arch *a = f->c->cx->arch;
    struct cg_asm *s = &f->s;
    uint32_t begin = cg_label(s), other = cg_label(s), nowhere = cg_label(s), found = cg_label(s),
             replaced = cg_label(s), lua = cg_label(s), next = cg_label(s), none = cg_label(s);

    cg_lib_enter(f);
    cg_mov(s, R1, R6);
    cg_lib_call(f, CG_LIB_UNWIND_RETURN);
    cg_jmpi(s, BPF_JNE, R0, 0, replaced);
    cg_mov(s, R1, R6);
    cg_lib_call(f, CG_LIB_UNWIND_STEPPED);
    cg_jmpi(s, BPF_JEQ, R0, 0, lua);
    cg_bind(s, replaced);
    cg_ldx(s, BPF_DW, R1, R6, word(f, CG_UNWIND_N)); /* the replaced one is no frame */
    cg_jmpi(s, BPF_JEQ, R1, 0, f->l_bad);
    cg_alui(s, BPF_SUB, R1, 1);
    cg_stx(s, BPF_DW, R6, word(f, CG_UNWIND_N), R1);
    cg_lib_leave(f, 1);
    cg_bind(s, lua);
    cg_ldx(s, BPF_DW, R1, R6, word(f, CG_UNWIND_N));
    cg_ldx(s, BPF_DW, R2, R6, word(f, CG_UNWIND_MOST));
    cg_jmp(s, BPF_JGE, R1, R2, f->l_bad);
    cg_ldx(s, BPF_DW, R8, R6, word(f, CG_UNWIND_SP));
    cg_ldx(s, BPF_DW, R2, R6, word(f, CG_UNWIND_IP));
    cg_jmpi(s, BPF_JEQ, R2, 0, nowhere);
    cg_ldx(s, BPF_DW, R3, R6, range(f, RANGE(start)));
    cg_jmp(s, BPF_JLT, R2, R3, other);
    cg_ldx(s, BPF_DW, R3, R6, range(f, RANGE(end)));
    cg_jmp(s, BPF_JGT, R2, R3, other);
    cg_ldx(s, BPF_DW, R2, R6, word(f, CG_UNWIND_CFRAME)); /* a saved register may look like code */
    cg_jmpi(s, BPF_JNE, R2, 0, begin);
    cg_ldx(s, BPF_W, R3, R6, range(f, RANGE(n_blocks)));
    cg_jmpi(s, BPF_JEQ, R3, 0, begin);
    cg_jmpi(s, BPF_JNE, R1, 2, begin);
    cg_ldx(s, BPF_DW, R8, R6, word(f, CG_UNWIND_SPS));
    cg_ja(s, begin);
    cg_bind(s, other); /* in no code: the frame before may have led astray */
    cg_jmpi(s, BPF_JLT, R1, 2, begin);
    cg_jmpi(s, BPF_JGT, R1, NGS_STACK_MAX, f->l_bad);
    cg_alui(s, BPF_LSH, R1, 3);
    cg_alu(s, BPF_ADD, R1, R6);
    cg_ldx(s, BPF_DW, R8, R1, word(f, CG_UNWIND_SPS - 2));
    cg_ja(s, begin);
    cg_bind(s, nowhere); /* likewise, and it is no frame yet */
    cg_jmpi(s, BPF_JEQ, R1, 0, f->l_bad);
    cg_jmpi(s, BPF_JGT, R1, NGS_STACK_MAX, f->l_bad);
    cg_alui(s, BPF_LSH, R1, 3);
    cg_alu(s, BPF_ADD, R1, R6);
    cg_ldx(s, BPF_DW, R8, R1, word(f, CG_UNWIND_SPS - 1));
    cg_stx(s, BPF_DW, R6, word(f, CG_UNWIND_SP), R8);
    cg_bind(s, begin);
    cg_stx(s, BPF_DW, R6, word(f, CG_UNWIND_AT), R8);
    cg_sti(s, BPF_DW, R6, word(f, CG_UNWIND_LEN), 0);
    cg_movi(s, R2, CG_UNWIND_WINDOW);
    cg_lib_read_user(f, word(f, CG_UNWIND_BYTES), R8, 0, none);
    cg_lib_counter(f); /* of the words */
    cg_bind(s, next);
    if (f->may_goto)
        cg_may_goto(s, none);
    cg_jmpi(s, BPF_JGE, R9, BRIDGE_WORDS, none);
    cg_mov(s, R7, R9);
    cg_alui(s, BPF_LSH, R7, 3);
    cg_mov(s, R8, R6);
    cg_alu(s, BPF_ADD, R8, R7);
    for (unsigned i = 0; i < ARCH_LUA_LAYOUTS; i++) {
        const struct arch_lua *lua = &a->unwind.lua[i];
        int at = word(f, CG_UNWIND_BYTES) + lua->state_at;
        uint32_t no = cg_label(s), likely = cg_label(s);

        if (!lua->frame_size)
            continue;
        cg_ldx(s, lua->narrow ? BPF_W : BPF_DW, R3, R8, at);
        cg_jmpi(s, BPF_JLT, R3, 65536, no);
        cg_jmpi(s, BPF_JSET, R3, 7, no);
        if (lua->narrow) { /* beside it an address in 32 bits, or 0 */
            cg_ldx(s, BPF_W, R1, R8, at + 4);
            cg_jmpi(s, BPF_JEQ, R1, 0, likely);
            cg_jmpi(s, BPF_JLT, R1, 65536, no);
            cg_bind(s, likely);
        } else {
            cg_mov(s, R1, R3);
            cg_alui(s, BPF_RSH, R1, 47);
            cg_jmpi(s, BPF_JNE, R1, 0, no);
        }
        cg_ldx(s, BPF_DW, R2, R6, word(f, CG_UNWIND_AT));
        cg_alu(s, BPF_ADD, R2, R7);
        cg_movi(s, R4, (int)i);
        cg_mov(s, R1, R6);
        cg_lib_call(f, CG_LIB_UNWIND_STATE);
        cg_jmpi(s, BPF_JNE, R0, 0, found);
        cg_bind(s, no);
    }
    cg_alui(s, BPF_ADD, R9, 1);
    cg_ja(s, next);
    cg_bind(s, none);
    begins(f);
    cg_bind(s, found);
    cg_lib_leave(f, 1);
}

/* A frame of LuaJIT's is passed, which says at r7 + OFF where Lua was entered before. */
static void read_before(struct cg_lib_fn *f, int off, uint32_t bad)
{
    struct cg_asm *s = &f->s;

    cg_lib_read_word(f, CG_UNWIND_CFRAME, R7, off, bad);
    cg_ldx(s, BPF_DW, R1, R6, word(f, CG_UNWIND_CFRAME));
    cg_alui(s, BPF_OR, R1, 1); /* a flag's place */
    cg_stx(s, BPF_DW, R6, word(f, CG_UNWIND_CFRAME), R1);
}

/* r7 is the interpreter's frame, r8 the state, r9 which layout. */
void cg_lib_unwind_state(struct cg_lib_fn *f)
{
    const struct arch *a = f->c->cx->arch;
    struct cg_asm *s = &f->s;
    uint32_t same = cg_label(s), keep = cg_label(s);

    cg_lib_enter(f);
    cg_mov(s, R7, R2);
    cg_mov(s, R8, R3);
    cg_mov(s, R9, R4);
    for (unsigned i = 0; i < ARCH_LUA_LAYOUTS; i++) {
        const struct arch_lua *lua = &a->unwind.lua[i];
        uint32_t not = cg_label(s), runs = cg_label(s);

        if (!lua->frame_size)
            continue;
        cg_jmpi(s, BPF_JNE, R9, (int)i, not );
        cg_movi(s, R2, 8);
        cg_lib_read_user(f, LIB_FRAME(private_[0]), R8, lua->cframe, f->l_bad);
        cg_ldx(s, BPF_DW, R1, R6, LIB_FRAME(private_[0]));
        cg_alui(s, BPF_AND, R1, ~3); /* flags */
        cg_jmp(s, BPF_JEQ, R1, R7, runs);
        cg_ldx(s, BPF_DW, R1, R6, word(f, CG_UNWIND_CFRAME));
        cg_alui(s, BPF_AND, R1, ~3);
        cg_jmp(s, BPF_JNE, R1, R7, f->l_bad);
        cg_bind(s, runs);
        cg_sti(s, BPF_DW, R6, LIB_FRAME(private_[0]), 0);
        cg_movi(s, R2, 1);
        cg_lib_read_user(f, LIB_FRAME(private_[0]), R8, lua->type, f->l_bad);
        cg_ldx(s, BPF_DW, R1, R6, LIB_FRAME(private_[0]));
        cg_jmpi(s, BPF_JNE, R1, LUA_THREAD, f->l_bad);
        read_before(f, lua->before, f->l_bad);
        cg_movi(s, R9, lua->frame_size);
        cg_ja(s, same);
        cg_bind(s, not );
    }
    cg_ja(s, f->l_bad);
    cg_bind(s, same);
    cg_ldx(s, BPF_DW, R1, R6, word(f, CG_UNWIND_SP));
    cg_jmp(s, BPF_JLE, R1, R7, keep);
    cg_ldx(s, BPF_DW, R1, R6, word(f, CG_UNWIND_N)); /* a frame that there is not */
    cg_jmpi(s, BPF_JEQ, R1, 0, f->l_bad);
    cg_alui(s, BPF_SUB, R1, 1);
    cg_stx(s, BPF_DW, R6, word(f, CG_UNWIND_N), R1);
    cg_bind(s, keep);
    cg_alu(s, BPF_ADD, R7, R9);
    go_on(f, f->l_bad);
    cg_lib_leave(f, 1);
}

/* The same where the script knows the frame. */
void cg_lib_unwind_on(struct cg_lib_fn *f)
{
    const struct arch_lua *lua = &f->c->cx->arch->unwind.lua[0];
    struct cg_asm *s = &f->s;
    uint32_t none = cg_label(s);

    cg_lib_enter(f);
    cg_mov(s, R7, R2);
    cg_sti(s, BPF_DW, R6, word(f, CG_UNWIND_MOST), NGS_STACK_MAX);
    read_before(f, lua->before - lua->frame_size, none);
    go_on(f, none);
    cg_mov(s, R1, R6);
    cg_lib_call(f, CG_LIB_UNWIND);
    cg_exit(s);
    cg_bind(s, none);
    cg_ldx(s, BPF_DW, R0, R6, word(f, CG_UNWIND_N));
    cg_exit(s);
}
