/*
 * parse: the grammar of the script language, SystemTap 4.8's.
 *
 * Enters: the feed's tokens. Leaves: declarations added to the program. Refuses what is not in the
 * grammar, one error a declaration, and goes on at the next one. Nodes are made in build.c
 * and decl.c, which also check what a grammar cannot say.
 *
 * Statements need no ";" between them, so that after an expression the next token may go on
 * with it or start a new statement. As in stap it goes on whenever it can: "a" newline "-b" is
 * a - b. The grammar says so by precedence: the rules that end an expression are marked
 * %prec SHORT, the lowest, and every token that can go on has a higher one.
 */
%define api.pure full
%define api.prefix {syntax_yy}
%define api.location.type {struct span}
%define parse.error custom
%define parse.lac full
%locations
%param {struct parser *p}
%expect 0

%code requires {
#include "syntax/build.h"
}

%code {
#include <string.h>

#define YYMAXDEPTH 20000
#define YYLLOC_DEFAULT(cur, rhs, n)                                                   \
    ((cur) = (n) ? span_join(YYRHSLOC(rhs, 1), YYRHSLOC(rhs, n))                      \
                 : (struct span){YYRHSLOC(rhs, 0).file,                               \
                                 YYRHSLOC(rhs, 0).off + YYRHSLOC(rhs, 0).len, 0,      \
                                 YYRHSLOC(rhs, 0).expn})

static int syntax_yylex(SYNTAX_YYSTYPE *value, struct span *at, struct parser *p);
static void syntax_yyerror(struct span *at, struct parser *p, const char *msg);

/* Actions are short: P is the parser, $1 ... values, @1 ... spans. */
#define NONE ((struct exprs){0})
}

%union {
    struct token tok;
    struct expr *expr;
    struct stmt *stmt;
    struct exprs exprs;
    struct stmts stmts;
    struct comps comps;
    struct points points;
    struct alias alias;
    struct params params;
    struct fe_key fe_key;
    struct fe_keys fe_keys;
    struct fe_order fe_order;
    struct func_type func_type;
    int number;
}

%token END 0 "end of file"
%token <tok> IDENT "a name" NUMBER "a number" STRING "a string" EMBEDDED "%{"
%token <tok> TARGET "a $variable" PRETTY "$" PRINTER "a print function"

/* keywords, PROBE first and CATCH last: token_is_keyword */
%token <tok> PROBE "probe" GLOBAL "global" PRIVATE "private" FUNCTION "function"
%token <tok> IF "if" ELSE "else" FOR "for" FOREACH "foreach" IN "in" LIMIT "limit"
%token <tok> RETURN "return" DELETE "delete" WHILE "while" BREAK "break" CONTINUE "continue"
%token <tok> NEXT "next" STRING_TYPE "string" LONG_TYPE "long" TRY "try" CATCH "catch"

/* words with @, AT_CAST first and AT_OTHER last: what a macro may be named */
%token <tok> AT_CAST "@cast" AT_VAR "@var" AT_DEFINED "@defined" AT_PROBEWRITE "@probewrite"
%token <tok> AT_ENTRY "@entry" AT_PERF "@perf" AT_STAT "@count" AT_HIST_LOG "@hist_log"
%token <tok> AT_HIST_LINEAR "@hist_linear" AT_CONST "@const" AT_ENUM "@enum"
%token <tok> AT_DEREF "@kderef" AT_REGISTER "@kregister" AT_OTHER "@word"

%token <tok> ARROW "->" INC "++" DEC "--" EQ "==" NE "!=" LE "<=" GE ">=" MATCH "=~" NOMATCH "!~"
%token <tok> SHL "<<" SHR ">>" USHR ">>>" LAND "&&" LOR "||"
%token <tok> ASSIGN_OP "-=" ADD_ASSIGN "+=" STAT_ADD_OP "<<<"
%token <tok> '=' '?' ':' '|' '^' '&' '<' '>' '.' '+' '-' '*' '/' '%' '!' '~'
%token <tok> '(' ')' '[' ']' '{' '}' ',' ';'

/* made by the feed, in a probe's head */
%token <tok> POINT_NAME "a probe point" GROUP "'{'"

/* the preprocessor's, which never come here, and what was reported already */
%token PP_OPEN "%(" PP_THEN "%?" PP_ELSE "%:" PP_CLOSE "%)" DEFINE "@define" ARG "$1"
%token BAD "bad token"

/* See above: an expression ends only where it cannot go on. */
%precedence SHORT
%precedence ELSE ';'
%precedence IDENT NUMBER STRING EMBEDDED TARGET PRINTER AT_CAST AT_VAR AT_DEFINED AT_PROBEWRITE
            AT_ENTRY
%precedence AT_PERF AT_STAT AT_HIST_LOG AT_HIST_LINEAR AT_CONST AT_ENUM AT_DEREF AT_REGISTER
            AT_OTHER
%right '=' ASSIGN_OP ADD_ASSIGN STAT_ADD_OP
%right '?' ':'
%left LOR
%left LAND
%left '|'
%left '^'
%left '&'
%precedence IN
%left EQ NE '<' '>' LE GE MATCH NOMATCH
%left SHL SHR USHR
%left '.'
%left '+' '-'
%left '*' '/' '%'
%precedence UNARY '!' '~'
%precedence INC DEC ARROW PRETTY '[' '('

%type <expr> expr value base target call literal indexable hist opt_expr slice_key index_key printed
%type <expr> opt_size opt_init opt_priority integer opt_limit opt_condition
%type <exprs> exprs opt_exprs keys printed_list opt_slice slice_keys integers
%type <comps> comp comps
%type <stmt> block stmt simple
%type <stmts> stmts
%type <points> points point chain part
%type <alias> alias
%type <params> opt_params params
%type <fe_key> fe_key
%type <fe_keys> fe_head fe_keys
%type <fe_order> fe_order
%type <func_type> opt_type
%type <tok> word function_name
%type <number> opt_suffix opt_dir dir opt_wrap function_head

%%

file:
    %empty
  | file declaration
  | file error                       { yyerrok;
                                       if (p->feed.recovering)
                                           yyclearin; }
  ;

declaration:
    PROBE points block               { build_probe(p, @$, (struct alias){0}, $2, $3, NULL); }
  | PROBE alias points block %prec SHORT
                                     { build_probe(p, @$, $2, $3, $4, NULL); }
  | PROBE alias points block ',' block
                                     { build_probe(p, @$, $2, $3, $4, $6); }
  | GLOBAL globals
  | GLOBAL globals ';'
  | private_global
  | private_global ';'
  | function_head function_name opt_type '(' opt_params ')' opt_priority block
                                     { build_function(p, @$, $1, &$2, $3, $5, $7, $8, NULL);
                                       p->in_function = false; }
  | function_head function_name opt_type '(' opt_params ')' opt_priority EMBEDDED
                                     { build_function(p, @$, $1, &$2, $3, $5, $7, NULL, &$8);
                                       p->in_function = false; }
  | EMBEDDED                         { build_embedded_decl(p, &$1); }
  ;

/* ---- global variables ---- */

globals:
    global
  | globals ',' global
  ;

global:
    IDENT opt_wrap opt_size opt_init { build_global(p, &$1, false, $2, $3, $4); }
  ;

private_global:
    PRIVATE private_global_first
  | PRIVATE GLOBAL private_global_first
  | private_global ',' private_global_first
  ;

private_global_first:
    IDENT opt_wrap opt_size opt_init { build_global(p, &$1, true, $2, $3, $4); }
  ;

opt_wrap:
    %empty                           { $$ = 0; }
  | '%'                              { $$ = 1; }
  ;

opt_size:
    %empty                           { $$ = NULL; }
  | '[' integer ']'                  { $$ = $2; }
  ;

opt_init:
    %empty                           { $$ = NULL; }
  | '=' literal                      { $$ = $2; }
  ;

/* ---- functions ---- */

function_head:
    FUNCTION                         { p->in_function = true; $$ = 0; }
  | PRIVATE FUNCTION                 { p->in_function = true; $$ = 1; }
  ;

function_name:
    IDENT
  | STRING_TYPE
  | LONG_TYPE
  ;

opt_type:
    %empty                           { $$ = (struct func_type){TYPE_UNKNOWN, false}; }
  | ':' STRING_TYPE                  { $$ = (struct func_type){TYPE_STRING, true}; }
  | ':' LONG_TYPE                    { $$ = (struct func_type){TYPE_LONG, true}; }
  ;

opt_params:
    %empty                           { $$ = (struct params){0}; }
  | params
  ;

params:
    IDENT opt_type                   { $$ = build_param(p, (struct params){0}, &$1, $2); }
  | params ',' IDENT opt_type        { $$ = build_param(p, $1, &$3, $4); }
  ;

opt_priority:
    %empty                           { $$ = NULL; }
  | ':' NUMBER                       { $$ = build_number(p, &$2); }
  ;

/* ---- probe points ---- */

alias:
    points '='                       { $$ = build_alias(p, (struct alias){0}, $1, false); }
  | points ADD_ASSIGN                { $$ = build_alias(p, (struct alias){0}, $1, true); }
  | alias points '='                 { $$ = build_alias(p, $1, $2, false); }
  | alias points ADD_ASSIGN          { $$ = build_alias(p, $1, $2, true); }
  ;

points:
    point
  | points ',' point                 { $$ = build_points_join($1, $3); }
  ;

point:
    chain opt_suffix opt_condition   { $$ = build_suffix(p, @$, $1, $2, $3); }
  ;

chain:
    part
  | chain '.' part                   { $$ = build_cross(p, @$, $1, $3); }
  ;

part:
    POINT_NAME                       { $$ = build_part(p, &$1, NULL, @$); }
  | POINT_NAME '(' literal ')'       { $$ = build_part(p, &$1, $3, @$); }
  | GROUP points '}'                 { $$ = $2; }
  ;

opt_suffix:
    %empty                           { $$ = 0; }
  | '?'                              { $$ = '?'; }
  | '!'                              { $$ = '!'; }
  ;

opt_condition:
    %empty                           { $$ = NULL; }
  | IF '(' expr ')'                  { $$ = $3; }
  ;

/* ---- statements ---- */

block:
    '{' stmts '}'                    { $$ = build_stmt(p, ST_BLOCK, @$, @1);
                                       $$->body = $2.first;
                                       $$ = build_done(p, $$); }
  ;

stmts:
    %empty                           { $$ = (struct stmts){0}; }
  | stmts stmt                       { $$ = build_stmts_add($1, $2); }
  ;

stmt:
    simple %prec SHORT
  | simple ';'
  | ';'                              { $$ = build_done(p, build_stmt(p, ST_EMPTY, @$, @$)); }
  | block
  | IF '(' expr ')' stmt %prec SHORT { $$ = build_if(p, @$, span_join(@1, @4), $3, $5, NULL); }
  | IF '(' expr ')' stmt ELSE stmt   { $$ = build_if(p, @$, span_join(@1, @4), $3, $5, $7); }
  | WHILE '(' expr ')' stmt          { struct span head = span_join(@1, @4);
                                       $$ = build_loop(p, ST_WHILE, @$, head, NULL, $3, NULL, $5); }
  | FOR '(' opt_expr ';' opt_expr ';' opt_expr ')' stmt
                                     { struct span head = span_join(@1, @8);
                                       $$ = build_loop(p, ST_FOR, @$, head, $3, $5, $7, $9); }
  | FOREACH '(' fe_head IN indexable opt_slice fe_order opt_limit ')' stmt
                                     { struct span head = span_join(@1, @9);
                                       $$ = build_foreach(p, @$, head, $3, $5, $6, $7, $8, $10); }
  | TRY block CATCH block            { $$ = build_try(p, @$, @1, $2, NULL, $4); }
  | TRY block CATCH '(' IDENT ')' block
                                     { $$ = build_try(p, @$, @1, $2, build_name(p, &$5), $7); }
  ;

simple:
    expr %prec SHORT                 { $$ = build_simple(p, ST_EXPR, @$, $1); }
  | RETURN %prec SHORT               { $$ = build_simple(p, ST_RETURN, @$, NULL); }
  | RETURN expr %prec SHORT          { $$ = build_simple(p, ST_RETURN, @$, $2); }
  | DELETE expr %prec SHORT          { $$ = build_simple(p, ST_DELETE, @$, $2); }
  | NEXT                             { $$ = build_simple(p, ST_NEXT, @$, NULL); }
  | BREAK                            { $$ = build_simple(p, ST_BREAK, @$, NULL); }
  | CONTINUE                         { $$ = build_simple(p, ST_CONTINUE, @$, NULL); }
  ;

fe_head:
    fe_key                           { $$ = build_fe_add(p, (struct fe_keys){0}, $1); }
  | '[' fe_keys ']'                  { $$ = $2; }
  | fe_key '=' fe_key                { struct fe_keys keys = {0};
                                       keys = build_fe_add(p, keys, $3);
                                       $$ = build_fe_value(p, $1, keys); }
  | fe_key '=' '[' fe_keys ']'       { $$ = build_fe_value(p, $1, $4); }
  ;

fe_keys:
    fe_key                           { $$ = build_fe_add(p, (struct fe_keys){0}, $1); }
  | fe_keys ',' fe_key               { $$ = build_fe_add(p, $1, $3); }
  ;

fe_key:
    IDENT opt_dir                    { $$ = (struct fe_key){build_name(p, &$1), $2}; }
  ;

opt_dir:
    %empty                           { $$ = 0; }
  | dir
  ;

dir:
    '+'                              { $$ = 1; }
  | '-'                              { $$ = -1; }
  ;

opt_slice:
    %empty                           { $$ = NONE; }
  | '[' slice_keys ']'               { $$ = $2; }
  ;

slice_keys:
    slice_key                        { $$ = build_append(p, NONE, $1); }
  | slice_keys ',' slice_key         { $$ = build_append(p, $1, $3); }
  ;

slice_key:
    expr
  | '*'                              { $$ = build_any(p, @$); }
  ;

fe_order:
    %empty                           { $$ = (struct fe_order){@$, STAT_COUNT, 0}; }
  | dir                              { $$ = (struct fe_order){@$, STAT_COUNT, $1}; }
  | AT_STAT dir                      { $$ = (struct fe_order){@$, (enum stat_op)$1.number, $2}; }
  ;

opt_limit:
    %empty                           { $$ = NULL; }
  | LIMIT expr                       { $$ = $2; }
  ;

/* ---- expressions ---- */

opt_expr:
    %empty                           { $$ = NULL; }
  | expr
  ;

expr:
    value %prec SHORT
  | value INC                        { $$ = build_incdec(p, @$, &$2, true, $1); }
  | value DEC                        { $$ = build_incdec(p, @$, &$2, true, $1); }
  | INC value %prec SHORT            { $$ = build_incdec(p, @$, &$1, false, $2); }
  | DEC value %prec SHORT            { $$ = build_incdec(p, @$, &$1, false, $2); }
  | '-' expr %prec UNARY             { $$ = build_unary(p, @$, &$1, OP_NEG, $2); }
  | '+' expr %prec UNARY             { $$ = build_unary(p, @$, &$1, OP_PLUS, $2); }
  | '!' expr                         { $$ = build_unary(p, @$, &$1, OP_NOT, $2); }
  | '~' expr                         { $$ = build_unary(p, @$, &$1, OP_BITNOT, $2); }
  | expr '*' expr                    { $$ = build_binary(p, @$, &$2, OP_MUL, $1, $3); }
  | expr '/' expr                    { $$ = build_binary(p, @$, &$2, OP_DIV, $1, $3); }
  | expr '%' expr                    { $$ = build_binary(p, @$, &$2, OP_MOD, $1, $3); }
  | expr '+' expr                    { $$ = build_binary(p, @$, &$2, OP_ADD, $1, $3); }
  | expr '-' expr                    { $$ = build_binary(p, @$, &$2, OP_SUB, $1, $3); }
  | expr '.' expr                    { $$ = build_binary(p, @$, &$2, OP_CONCAT, $1, $3); }
  | expr SHL expr                    { $$ = build_binary(p, @$, &$2, OP_SHL, $1, $3); }
  | expr SHR expr                    { $$ = build_binary(p, @$, &$2, OP_SHR, $1, $3); }
  | expr USHR expr                   { $$ = build_binary(p, @$, &$2, OP_USHR, $1, $3); }
  | expr '<' expr                    { $$ = build_binary(p, @$, &$2, OP_LT, $1, $3); }
  | expr '>' expr                    { $$ = build_binary(p, @$, &$2, OP_GT, $1, $3); }
  | expr LE expr                     { $$ = build_binary(p, @$, &$2, OP_LE, $1, $3); }
  | expr GE expr                     { $$ = build_binary(p, @$, &$2, OP_GE, $1, $3); }
  | expr EQ expr                     { $$ = build_binary(p, @$, &$2, OP_EQ, $1, $3); }
  | expr NE expr                     { $$ = build_binary(p, @$, &$2, OP_NE, $1, $3); }
  | expr MATCH STRING                { $$ = build_match(p, @$, &$2, $1, &$3); }
  | expr NOMATCH STRING              { $$ = build_match(p, @$, &$2, $1, &$3); }
  | expr '&' expr                    { $$ = build_binary(p, @$, &$2, OP_AND, $1, $3); }
  | expr '^' expr                    { $$ = build_binary(p, @$, &$2, OP_XOR, $1, $3); }
  | expr '|' expr                    { $$ = build_binary(p, @$, &$2, OP_OR, $1, $3); }
  | expr LAND expr                   { $$ = build_binary(p, @$, &$2, OP_LAND, $1, $3); }
  | expr LOR expr                    { $$ = build_binary(p, @$, &$2, OP_LOR, $1, $3); }
  | expr '?' expr ':' expr           { $$ = build_ternary(p, @$, &$2, $1, $3, $5); }
  | expr '=' expr                    { $$ = build_assign(p, @$, &$2, $1, $3); }
  | expr ASSIGN_OP expr              { $$ = build_assign(p, @$, &$2, $1, $3); }
  | expr ADD_ASSIGN expr             { $$ = build_assign(p, @$, &$2, $1, $3); }
  | expr STAT_ADD_OP expr            { $$ = build_assign(p, @$, &$2, $1, $3); }
  | expr IN indexable                { $$ = build_in(p, @$, &$2, build_append(p, NONE, $1), $3); }
  | '[' keys ']' IN indexable        { $$ = build_in(p, @$, &$4, $2, $5); }
  ;

/* What "->", "[" and "$" may follow, and what "++" applies to. */
value:
    base %prec SHORT
  | base comps %prec SHORT           { $$ = build_comps(p, @$, $1, $2); }
  | target %prec SHORT
  | target comps %prec SHORT         { $$ = build_comps(p, @$, $1, $2); }
  | '&' value %prec UNARY            { $$ = build_address(p, @$, &$1, $2); }
  ;

base:
    NUMBER                           { $$ = build_number(p, &$1); }
  | STRING                           { $$ = build_string(p, &$1); }
  | EMBEDDED                         { $$ = build_embedded(p, &$1); }
  | '(' expr ')'                     { $$ = $2; $$->parens = true; }
  | IDENT %prec SHORT                { $$ = build_name(p, &$1); }
  | IDENT '[' keys ']'               { $$ = build_index(p, @$, build_name(p, &$1), $3); }
  | IDENT '(' opt_exprs ')'          { $$ = build_call(p, @$, &$1, $3); }
  | hist '[' keys ']'                { $$ = build_index(p, @$, $1, $3); }
  | PRINTER '(' ')'                  { $$ = build_print(p, @$, &$1, NONE); }
  | PRINTER '(' printed_list ')'     { $$ = build_print(p, @$, &$1, $3); }
  | call
  ;

printed_list:
    printed                          { $$ = build_append(p, NONE, $1); }
  | printed_list ',' printed         { $$ = build_append(p, $1, $3); }
  ;

printed:
    expr
  | hist %prec SHORT
  ;

target:
    TARGET                           { $$ = build_target(p, &$1); }
  | AT_CAST '(' expr ',' STRING ')'  { $$ = build_cast(p, @$, &$1, $3, &$5, NULL); }
  | AT_CAST '(' expr ',' STRING ',' STRING ')'
                                     { $$ = build_cast(p, @$, &$1, $3, &$5, &$7); }
  | AT_VAR '(' STRING ')'            { $$ = build_atvar(p, @$, &$1, &$3, NULL); }
  | AT_VAR '(' STRING ',' STRING ')' { $$ = build_atvar(p, @$, &$1, &$3, &$5); }
  ;

call:
    AT_DEFINED '(' expr ')'          { $$ = build_at_expr(p, @$, &$1, EX_DEFINED, $3); }
  | AT_ENTRY '(' expr ')'            { $$ = build_at_expr(p, @$, &$1, EX_ENTRY, $3); }
  | AT_PROBEWRITE '(' IDENT ')'      { struct expr *name = build_name(p, &$3);
                                       $$ = build_at_expr(p, @$, &$1, EX_PROBEWRITE, name); }
  | AT_PROBEWRITE '(' TARGET ')'     { struct expr *var = build_target(p, &$3);
                                       $$ = build_at_expr(p, @$, &$1, EX_PROBEWRITE, var); }
  | AT_PERF '(' STRING ')'           { $$ = build_at_text(p, @$, &$1, EX_PERF, &$3); }
  | AT_CONST '(' STRING ')'          { $$ = build_at_text(p, @$, &$1, EX_ATCONST, &$3); }
  | AT_ENUM '(' STRING ')'           { $$ = build_at_text(p, @$, &$1, EX_ATENUM, &$3); }
  | AT_REGISTER '(' integer ')'      { $$ = build_register(p, @$, &$1, $3); }
  | AT_DEREF '(' integer ',' expr ')'
                                     { $$ = build_deref(p, @$, &$1, $3, $5); }
  | AT_STAT '(' expr ')'             { $$ = build_stat(p, @$, &$1, $3, NULL); }
  | AT_STAT '(' expr ',' NUMBER ')'  { $$ = build_stat(p, @$, &$1, $3, &$5); }
  | AT_OTHER                         { $$ = build_unknown_at(p, &$1); }
  ;

hist:
    AT_HIST_LOG '(' expr ')'         { $$ = build_hist(p, @$, &$1, $3, NONE); }
  | AT_HIST_LINEAR '(' expr ',' integers ')'
                                     { $$ = build_hist(p, @$, &$1, $3, $5); }
  ;

indexable:
    IDENT                            { $$ = build_name(p, &$1); }
  | hist
  ;

comps:
    comp
  | comps comp                       { $$ = build_comps_join(p, $1, $2); }
  ;

comp:
    ARROW word                       { $$ = build_member(p, @$, &$2); }
  | ARROW PRETTY                     { $$ = build_pretty(p, &$2); }
  | '[' expr ']'                     { $$ = build_subscript(p, @$, $2); }
  | PRETTY                           { $$ = build_pretty(p, &$1); }
  ;

/* After "->" every word is a name. */
word:
    IDENT | PRINTER
  | PROBE | GLOBAL | PRIVATE | FUNCTION | IF | ELSE | FOR | FOREACH | IN | LIMIT | RETURN | DELETE
  | WHILE | BREAK | CONTINUE | NEXT | STRING_TYPE | LONG_TYPE | TRY | CATCH
  ;

keys:
    index_key                        { $$ = build_append(p, NONE, $1); }
  | keys ',' index_key               { $$ = build_append(p, $1, $3); }
  ;

index_key:
    expr
  | '*'                              { $$ = build_any(p, @$); }
  ;

opt_exprs:
    %empty                           { $$ = NONE; }
  | exprs
  ;

exprs:
    expr                             { $$ = build_append(p, NONE, $1); }
  | exprs ',' expr                   { $$ = build_append(p, $1, $3); }
  ;

literal:
    integer
  | STRING                           { $$ = build_string(p, &$1); }
  ;

integer:
    NUMBER                           { $$ = build_number(p, &$1); }
  | '-' NUMBER                       { $$ = build_number(p, &$2);
                                       $$->number = (int64_t)-(uint64_t)$$->number;
                                       $$->at = @$; }
  ;

integers:
    integer                          { $$ = build_append(p, NONE, $1); }
  | integers ',' integer             { $$ = build_append(p, $1, $3); }
  ;

%%

static int syntax_yylex(SYNTAX_YYSTYPE *value, struct span *at, struct parser *p)
{
    feed_next(&p->feed, &value->tok);
    *at = value->tok.at;
    return value->tok.kind;
}

/* Only for what is not a syntax error: the parser's stack is full. */
static void syntax_yyerror(struct span *at, struct parser *p, const char *msg)
{
    if (p->feed.last.kind != BAD)
        build_error(p, *at, "this is nested too deeply (%s)", msg);
}

/*
 * Words for the tokens that would have been right. After an expression dozens of operators
 * would: they are left out; so are all that start one, for "an expression" or "a statement".
 */
static uint32_t name_expected(const yypcontext_t *ctx, const char **names, uint32_t max)
{
    yysymbol_kind_t kinds[YYNTOKENS];
    bool set[YYNTOKENS] = {false};
    int n_kinds = yypcontext_expected_tokens(ctx, kinds, YYNTOKENS);
    uint32_t n = 0;

    for (int i = 0; i < n_kinds; i++)
        set[kinds[i]] = true;
    bool expression = set[YYSYMBOL_NUMBER] && set[YYSYMBOL_IDENT] && set[YYSYMBOL_PRINTER];
    bool operators = set[YYSYMBOL_LOR];

    if (set[YYSYMBOL_IDENT] && set[YYSYMBOL_CATCH]) { /* after "->" */
        names[0] = "the name of a member";
        return 1;
    }
    if (set[YYSYMBOL_ADD_ASSIGN] && !operators) { /* a probe's head */
        names[0] = "','";
        names[1] = "'{'";
        return 2;
    }
    if (expression && !operators)
        names[n++] = set[YYSYMBOL_WHILE] ? "a statement" : "an expression";
    for (int i = 0; i < n_kinds && n < max; i++) {
        switch (kinds[i]) {
        case YYSYMBOL_ASSIGN_OP: case YYSYMBOL_ADD_ASSIGN: case YYSYMBOL_STAT_ADD_OP:
        case YYSYMBOL_INC: case YYSYMBOL_DEC: case YYSYMBOL_ARROW: case YYSYMBOL_PRETTY:
        case YYSYMBOL_IN: case YYSYMBOL_EQ: case YYSYMBOL_NE: case YYSYMBOL_LE: case YYSYMBOL_GE:
        case YYSYMBOL_MATCH: case YYSYMBOL_NOMATCH: case YYSYMBOL_SHL: case YYSYMBOL_SHR:
        case YYSYMBOL_USHR: case YYSYMBOL_LAND: case YYSYMBOL_LOR:
            if (operators)
                continue;
            break;
        default:
            break;
        }
        const char *name = yysymbol_name(kinds[i]);

        if (operators && strlen(name) == 3 && strchr("=?|^&<>.+-*/%![(", name[1]))
            continue;
        if (kinds[i] == YYSYMBOL_YYEOF && n_kinds > 1)
            continue;
        if (expression && name[0] != '\'')
            continue;
        if (expression && name[0] == '\'' && strchr("&+-!~([{;*", name[1]))
            continue;
        names[n++] = name;
    }
    return n;
}

static int yyreport_syntax_error(const yypcontext_t *ctx, struct parser *p)
{
    const char *names[8];
    uint32_t n = name_expected(ctx, names, 8);

    build_unexpected(p, yypcontext_location(ctx), names, n);
    feed_recover(&p->feed);
    return 0;
}
