/*
 * corpus_plugin: a library that the corpus (corpus.c) loads, calls, and gives up again. What it
 * does is kept in the corpus's shadow.
 */
long through(long (*back)(unsigned long), unsigned long n)
{
    return back(n) + 1;
}
