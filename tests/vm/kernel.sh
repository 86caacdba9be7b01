#!/bin/bash
#
# Debian's kernels, in the cache, never installed: the suites' own images for run.sh to boot, and
# the headers to build modules for them.
#
#   tests/vm/kernel.sh image SUITE      fetches the kernel unless it is there; prints its folder
#   tests/vm/kernel.sh headers SUITE    the same for its headers; prints the build folder, for
#                                       stap -r or make -C
#   tests/vm/kernel.sh update SUITE     drops both, so that the next call fetches the newest
#
# SUITE: bullseye (5.10), bookworm (6.1), trixie (6.12), sid, or what else the mirror that apt is
# configured for has. The folder of an image holds release (what uname -r will say), vmlinuz and
# lib/modules. Headers are of the same version as the image; their makefiles' paths are rewritten to
# where they lie, and name no compiler's version.
#
# Needs Debian, x86-64, and the machine's apt sources; packages that are missing it installs, as
# root. Leaves files in the cache only (NGSTAP_CACHE, default ~/.cache/ngstap): the apt lists for
# another suite lie there too, and are removed. What cannot be fetched ends it with status 77 and
# the reason.

set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=../targets/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../targets/common.sh"

KERNELS=$NGSTAP_CACHE/vm
LOGS=$KERNELS/log

usage() { sed -n '2,/^$/s/^# \?//p' "$0"; }

give_up() {
    say "${0##*/}: $*"
    exit 77
}

# --- apt, with a list of one suite ----------------------------------------------------

private_apt() {
    local tool=$1
    shift
    "$tool" -q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$apt/sources.d" \
        -o Dir::State::Lists="$apt/lists" -o Dir::State::Status=/dev/null -o \
        Dir::Cache="$apt/cache" \
        -o APT::Architecture=amd64 -o APT::Sandbox::User=root "$@"
}

# The addresses of the main and the security archive, as this machine is configured.
archive() { # PATTERN of the codename
    # shellcheck disable=SC2016 # apt fills these in, not the shell
    apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Created-By: Packages' \
        'Origin: Debian' |
        awk -v pattern="$1" '$1 ~ pattern { print $2; exit }'
}

list_suite() { # SUITE
    local main security key='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]'
    rm -rf "$apt"
    mkdir -p "$apt/sources.d" "$apt/lists/partial" "$apt/cache/archives/partial"
    main=$(archive '^[a-z]+$')
    security=$(archive '^[a-z]+-security$')
    [[ -n $main ]] || { echo 'no Debian archive among the sources of apt'; return 1; }
    echo "deb $key $main $1 main" >"$apt/sources.d/main.list"
    if [[ -n $security && $1 != sid ]]; then
        echo "deb $key $security $1-security main" >"$apt/sources.d/security.list"
        # An old suite may have lost it.
        private_apt apt-get update && return
        rm "$apt/sources.d/security.list"
    fi
    private_apt apt-get update
}

# What a package depends on, the first choice of each.
depends() {
    private_apt apt-cache show --no-all-versions "$1" |
        sed -n 's/^\(Pre-\)\?Depends: //p' | tr , '\n' | awk '{ print $1 }'
}

# unpack FOLDER PACKAGE[=VERSION]...: the packages' files, not installed.
unpack() {
    local folder=$1 deb
    shift
    mkdir -p "$apt/debs"
    (cd "$apt/debs" && private_apt apt-get download "$@")
    for deb in "$apt"/debs/*.deb; do
        dpkg-deb -x "$deb" "$folder"
    done
    rm -rf "$apt/debs"
}

# --- the image -------------------------------------------------------------------------

fetch_image() { # SUITE FOLDER
    local image release parts version
    rm -rf "$2"
    mkdir -p "$2"
    list_suite "$1"
    image=$(depends linux-image-amd64 | awk '/^linux-image-[0-9]/ && !seen++')
    [[ -n $image ]] || { echo "no kernel in $1"; return 1; }
    release=${image#linux-image-}
    version=$(private_apt apt-cache show --no-all-versions "$image" |
        awk '$1 == "Version:" { print $2 }')
    # Newer suites have the modules in packages of their own.
    mapfile -t parts < <(depends "$image" | awk -v end="-$release" \
        '/^linux-/ && substr($0, length - length(end) + 1) == end')
    unpack "$2/root" "$image" "${parts[@]}"
    [[ -e $2/root/lib ]] || ln -s usr/lib "$2/root/lib"
    ln -s root/lib "$2/lib"
    mv "$(find "$2/root" -name 'vmlinuz*' -type f -print -quit)" "$2/vmlinuz"
    depmod -b "$2/root" "$release"
    echo "$version" >"$2/version"
    echo "$release" >"$2/release"
    rm -rf "$apt"
}

# --- headers ---------------------------------------------------------------------------

# The packages' makefiles include each other by absolute paths, and name the compiler of their
# suite.
relocate() { # ROOT: what was unpacked
    local file
    while read -r file; do
        sed -i -e "s,/usr/src/linux-,$1/usr/src/linux-,g" \
            -e "s,/usr/lib/linux-kbuild,$1/usr/lib/linux-kbuild,g" \
            -e 's,gcc-[0-9]\+,gcc,g' "$file"
    done < <(find "$1/usr/src" -maxdepth 2 -type f \( -name Makefile -o -name .kernelvariables \))
    while read -r file; do
        ln -sfn "$1$(readlink "$file")" "$file"
    done < <(find "$1/lib/modules" -maxdepth 2 -lname '/usr/src/*')
}

fetch_headers() { # SUITE FOLDER: of the image that lies in FOLDER
    local release version packages=() package
    release=$(<"$2/release")
    version=$(<"$2/version")
    rm -rf "$2/headers"
    list_suite "$1"
    for package in $(depends "linux-headers-$release=$version"); do
        [[ $package != linux-headers-* && $package != linux-kbuild-* ]] || packages+=("$package")
    done
    unpack "$2/headers.new" "linux-headers-$release=$version" "${packages[@]/%/=$version}"
    [[ -e $2/headers.new/lib ]] || ln -s usr/lib "$2/headers.new/lib"
    [[ -e $2/headers.new/usr/lib ]] || ln -s ../lib "$2/headers.new/usr/lib"
    mv "$2/headers.new" "$2/headers"
    relocate "$2/headers"
    rm -rf "$apt"
}

# attempt TEXT WHAT SUITE FOLDER: a step. In a shell of its own: in this one, bash would not stop at
# what fails in it.
attempt() { (step "$1" "$LOGS/$2-$3" "$0" --fetch "$2" "$3" "$4"); }

need_image() { # SUITE
    folder=$KERNELS/$1
    if [[ ! -f $folder/release ]]; then
        attempt "Fetching the kernel of Debian $1" image "$1" "$folder.new" ||
            give_up "no kernel of Debian $1"
        rm -rf "$folder"
        mv "$folder.new" "$folder"
    fi
}

need_headers() { # SUITE
    need_image "$1"
    build=$folder/headers/usr/src/linux-headers-$(<"$folder/release")
    if [[ ! -d $build ]]; then
        # The archive may have gone on to a newer version: then kernel and headers are fetched anew.
        if ! attempt "Fetching the kernel headers of Debian $1" headers "$1" "$folder"; then
            rm -rf "$folder"
            need_image "$1"
            attempt "Fetching the kernel headers of Debian $1" headers "$1" "$folder" ||
                give_up "no kernel headers of Debian $1"
            build=$folder/headers/usr/src/linux-headers-$(<"$folder/release")
        fi
    fi
}

main() {
    [[ $2 =~ ^[a-z]+$ ]] || fail "SUITE must be a Debian suite's name, not $2"
    [[ $(dpkg --print-architecture 2>/dev/null) == amd64 ]] ||
        give_up 'kernels are fetched on Debian, x86-64'
    mkdir -p "$LOGS"
    exec 9>"$KERNELS/lock"
    flock 9
    need_packages kmod xz-utils
    case $1 in
    image)
        need_image "$2"
        echo "$folder"
        ;;
    headers)
        need_headers "$2"
        echo "$build"
        ;;
    update) rm -rf "${KERNELS:?}/$2" ;;
    esac
}

case ${1:-}/$# in
--fetch/4)
    apt=$KERNELS/apt-$3
    "fetch_$2" "$3" "$4"
    ;;
image/2 | headers/2 | update/2) main "$@" ;;
-h/1 | --help/1) usage ;;
*)
    usage >&2
    exit 1
    ;;
esac
