/*
 * spell: the one place where what the target says (paths of its files) becomes script text.
 *
 * Enters: expanded lines with bytes that the target said (line.h). Leaves: text in which these are
 * the text of the string literal they stand in, whatever they hold: quotes, backslashes and control
 * characters by escapes, '%' doubled where the literal is a format. In a comment what could end it
 * becomes '?'. Refuses, by a report, all but plain paths elsewhere. The origins say which bytes
 * they are: the lexer takes '%' in them for text where a format does not show here (it came through
 * a macro), and checks once more that none of them is code. What the user said by --arg is script
 * text as it is, but where two strings are compared: %( "$^arg_probe" == "" %? works for
 * process("/x").function("f"), too.
 */
#include "sxx/spell.h"

#include <string.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/diag.h"

#define TAG "sxx"

/* ---- where in the script we are: lex.l's rules, as far as they tell literals from code ---- */

static bool word_is(const struct spell *s, const char *word)
{
    return s->word_len == strlen(word) && !memcmp(s->word, word, s->word_len);
}

static void end_word(struct spell *s)
{
    if (s->word_len)
        s->head = word_is(s, "printf") || word_is(s, "sprintf") ? HEAD_PRINTER : HEAD_NONE;
    s->word_len = 0;
}

static void enter(struct spell *s, int state)
{
    s->state = state;
    s->last = '\0';
    s->escaped = false;
}

static void step_script(struct spell *s, char c)
{
    char last = s->last;

    s->last = c;
    if (is_word(c) || c == '$' || c == '@') {
        if (s->word_len < sizeof(s->word))
            s->word[s->word_len++] = c;
        return;
    }
    bool argument = word_is(s, "$") || word_is(s, "@"); /* $# and @# */

    end_word(s);
    if (c == '"') {
        s->format = s->head == HEAD_OPEN; /* stays so: "a" "b" is one literal */
        enter(s, SPELL_STRING);
    } else if (c == '#' && !argument) {
        enter(s, SPELL_REMARK);
    } else if (last == '/' && (c == '/' || c == '*')) {
        s->head = s->head_before;
        enter(s, c == '/' ? SPELL_REMARK : SPELL_COMMENT);
    } else if (last == '%' && c == '{') {
        enter(s, SPELL_CODE);
    } else if (last == '%' && strchr("(?:)", c)) {
        s->compared = c == '(';
        s->head = HEAD_NONE;
    } else if (c != ' ' && (c < '\t' || c > '\r')) {
        s->head_before = s->head;
        s->head = c == '(' && s->head == HEAD_PRINTER ? HEAD_OPEN : HEAD_NONE;
    }
}

static void step_string(struct spell *s, char c)
{
    if (s->escaped) {
        s->escaped = false;
    } else if (c == '\\') {
        s->escaped = true;
    } else if (c == '"' || c == '\n') { /* a line ends a string that nothing closed */
        if (c == '\n')
            s->head = HEAD_NONE;
        enter(s, SPELL_SCRIPT);
    }
}

static void step(struct spell *s, char c)
{
    char last = s->last;

    switch (s->state) {
    case SPELL_SCRIPT:
        step_script(s, c);
        return;
    case SPELL_STRING:
        step_string(s, c);
        return;
    case SPELL_REMARK:
        if (c == '\n')
            enter(s, SPELL_SCRIPT);
        return;
    default:
        s->last = c;
        if (s->state == SPELL_COMMENT ? last == '*' && c == '/' : last == '%' && c == '}')
            enter(s, SPELL_SCRIPT);
    }
}

/* ---- what the target said ---- */

static void put(struct spell *s, struct origin *o, const char *text, uint32_t n)
{
    line_put_spelt(s->out, text, n, o);
}

static void put_literal(struct spell *s, struct origin *o, char c)
{
    static const char named[] = "\nn\tt\rr\"\"\\\\";
    char text[5] = {'\\'};

    for (const char *p = named; *p; p += 2)
        if (c == *p) {
            text[1] = p[1];
            put(s, o, text, 2);
            return;
        }
    if ((unsigned char)c < ' ' || c == 0x7f) {
        for (int i = 0; i < 3; i++)
            text[1 + i] = (char)('0' + ((unsigned char)c >> (6 - 3 * i) & 7));
        put(s, o, text, 4);
    } else if (c == '%' && s->format) {
        put(s, o, "%%", 2);
    } else {
        put(s, o, &c, 1);
    }
}

static void put_comment(struct spell *s, struct origin *o, char c)
{
    bool hides =
        (unsigned char)c < ' ' || c == 0x7f || strchr("*\"\\", c) || (c == '/' && s->last == '*');

    put(s, o, hides ? "?" : &c, 1);
    s->last = '\0';
}

static bool is_plain(const char *word, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (!is_word(word[i]) && !strchr("./+-", word[i]))
            return false;
    return true;
}

/* The N bytes at WORD, at O. */
static void put_told(struct spell *s, struct origin o, const char *word, uint32_t n)
{
    bool literal = s->state == SPELL_STRING;
    bool comment = s->state == SPELL_REMARK || s->state == SPELL_COMMENT;
    const char *where = literal                  ? "after a backslash"
                        : s->state == SPELL_CODE ? "in embedded C"
                                                 : "outside a string";

    if (literal ? s->escaped && *word != '/' : !comment && !is_plain(word, n)) {
        s->failed = true;
        diag_error(s->cx->diag, o.at, TAG, "a path with such characters cannot stand %s: '%.*s'",
                   where, (int)n, word);
        diag_hint(s->cx->diag,
                  "only letters, digits and _ . / + - can, as they may mean something there");
        return;
    }
    s->escaped = false;
    o.told = literal && s->format ? TOLD_BY_TARGET_IN_FORMAT : TOLD_BY_TARGET;
    for (uint32_t i = 0; i < n; i++) {
        if (literal) {
            put_literal(s, &o, word[i]);
        } else if (comment) {
            put_comment(s, &o, word[i]);
        } else {
            put(s, &o, &word[i], 1);
            step(s, word[i]);
        }
    }
}

/* N bytes of an argument in a string that is compared. */
static void put_compared(struct spell *s, struct origin o, const char *text, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (text[i] == '"' && !s->escaped)
            put(s, &o, "\\", 1);
        put(s, &o, &text[i], 1);
        s->escaped = !s->escaped && text[i] == '\\';
    }
}

void spell_line(struct spell *s, const struct line *line)
{
    s->out->too_long |= line->too_long;
    for (uint32_t k = 0; k < line->n_pieces; k++) {
        struct origin o = line->pieces[k];
        uint32_t end = o.off + o.len;

        if (o.verbatim)
            o.why = s->note;
        if (o.told == TOLD_BY_ARGUMENT) {
            o.told = TOLD_BY_USER;
            if (s->compared && s->state == SPELL_STRING) {
                o.verbatim = false; /* escapes are put in */
                put_compared(s, o, line->s + o.off, o.len);
                continue;
            }
        }
        for (uint32_t i = o.off; i < end;) {
            uint32_t from = i;
            bool told = line->told[i];

            for (; i < end && !line->told[i] == !told; i++)
                if (!told)
                    step(s, line->s[i]);
            if (told) {
                put_told(s, o, line->told + from, i - from);
                continue;
            }
            struct origin part = o;

            if (o.verbatim)
                part.at.off += from - o.off;
            line_put_spelt(s->out, line->s + from, i - from, &part);
        }
    }
}
