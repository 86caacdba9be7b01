# Do two profiles agree within sampling noise? Reads the outputs of lj-lua-stacks for the same load,
# two files:
#
#   awk -v alpha=0.001 -f tests/homogeneous.awk A B
#
# Prints "agree" or "differ", the p-value, chi-square, its degrees of freedom, and the samples of A
# and of B; for "differ" also the stacks that contribute most. Exits with 0 if they agree, 1 if they
# differ, 2 if there is too little to judge: under 500 samples in either.
#
# They differ if they do so by more than noise, and some stack's share by more than 3 points, which
# is what a share may differ from the target's own account (shares.sh).
#
# Noise: Pearson's chi-square of homogeneity on the table of two profiles by stacks. Stacks whose
# expected count is under 5 in either profile are pooled as one (and left out, should that one be
# under 5 still). The null hypothesis, that both profiles are draws from one distribution, is
# rejected when p < alpha. Who makes many tests divides: alpha is the level of the whole (0.01) over
# their number (Bonferroni). A profile's ticks are no independent draws but at even distances, while
# the load goes round in cycles much shorter than the profile: its counts vary less than those of
# draws, so that profiles that agree are rejected less often than alpha says. Where the clock counts
# instructions that needs some chance added (vm/jitter.c): ticks that resonate with a loop see only
# parts of it. The power is what counts: with 4,000 samples each, at alpha = 0.001, a stack of 50 %
# that one of them shows 5 points more or less often is found 9 times of 10.

function log_gamma(x,    i, sum, series) {
    # Lanczos' approximation, as in Numerical Recipes.
    sum = 1.000000000190015
    split("76.18009172947146 -86.50532032941677 24.01409824083091 " \
          "-1.231739572450155 0.001208650973866179 -0.000005395239384953", series, " ")
    for (i = 1; i <= 6; i++)
        sum += series[i] / (x + i)
    return (x + 0.5) * log(x + 5.5) - (x + 5.5) + log(2.5066282746310005 * sum / x)
}

# The upper tail of the chi-square distribution: the regularized incomplete gamma function Q(k / 2,
# x / 2).
function upper_tail(x, k,    a, y, i, term, sum, b, c, d, h, an, delta) {
    a = k / 2
    y = x / 2
    if (y <= 0)
        return 1
    if (y < a + 1) {
        # By the series of P.
        term = sum = 1 / a
        for (i = 1; i < 10000 && term > sum * 1e-12; i++) {
            term *= y / (a + i)
            sum += term
        }
        return 1 - sum * exp(a * log(y) - y - log_gamma(a))
    }
    # By the continued fraction of Q (Lentz).
    b = y + 1 - a
    c = 1e300
    d = 1 / b
    h = d
    for (i = 1; i < 10000; i++) {
        an = -i * (i - a)
        b += 2
        d = an * d + b
        if (d < 1e-300 && d > -1e-300) d = 1e-300
        c = b + an / c
        if (c < 1e-300 && c > -1e-300) c = 1e-300
        d = 1 / d
        delta = d * c
        h *= delta
        if (delta - 1 < 1e-12 && 1 - delta < 1e-12) break
    }
    return h * exp(a * log(y) - y - log_gamma(a))
}

BEGIN {
    if (quantile != "") {
        # For the test of this file: -v quantile="CHI-SQUARE FREEDOM".
        split(quantile, q, " ")
        printf "%.6f\n", upper_tail(q[1], q[2])
        quantile = 1
        exit
    }
}
FNR == 1 { file++; stack = "" }
/\t[0-9]+$/ {
    n = $0
    sub(/.*\t/, "", n)
    rest = $0
    sub(/\t[0-9]+$/, "", rest)
    stack = stack rest
    count[file, stack] += n
    total[file] += n
    stacks[stack]
    stack = ""
    next
}
{ stack = stack $0 "\n" }

function add_cell(a, b, name,    all, expected_a, expected_b, part, apart) {
    all = total[1] + total[2]
    expected_a = (a + b) * total[1] / all
    expected_b = (a + b) * total[2] / all
    part = (a - expected_a) ^ 2 / expected_a + (b - expected_b) ^ 2 / expected_b
    chi += part
    cells++
    apart = a / total[1] - b / total[2]
    if (apart < 0) apart = -apart
    if (apart > widest) widest = apart
    if (part > 4) note = note sprintf("%d of A, %d of B: %s\n", a, b, name)
}

END {
    if (quantile != "") exit
    if (total[1] < 500 || total[2] < 500) {
        printf "too few: %d and %d samples\n", total[1], total[2]
        exit 2
    }
    least = total[1] < total[2] ? total[1] : total[2]
    all = total[1] + total[2]
    for (stack in stacks) {
        a = count[1, stack] + 0
        b = count[2, stack] + 0
        if ((a + b) * least / all < 5) {
            rare_a += a
            rare_b += b
        } else {
            name = stack
            gsub(/\n/, " < ", name)
            add_cell(a, b, name)
        }
    }
    if ((rare_a + rare_b) * least / all >= 5) add_cell(rare_a, rare_b, "rare ones")
    if (cells < 2) {
        # One stack and nothing else: they agree in it.
        print "agree: p 1, one stack,", total[1], "and", total[2], "samples"
        exit 0
    }
    p = upper_tail(chi, cells - 1)
    differ = p < alpha && widest > 0.03
    printf "%s: p %.4g, chi-square %.1f, freedom %d, at most %.1f points, %d and %d samples\n",
           differ ? "differ" : "agree", p, chi, cells - 1, 100 * widest, total[1], total[2]
    if (p < alpha) printf "%s", note
    exit differ
}
