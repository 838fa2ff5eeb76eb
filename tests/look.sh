#!/usr/bin/env bash
# Shows pages and drawings as a browser does: a PNG of each in light and in dark colours, for a person to look at.
#
#   cargo build && tests/look.sh target/debug/outcore [FOLDER]
#
# Makes a report of a job with several stages and a drawing of its plan in FOLDER (default target/look), and needs `chromium` or
# `google-chrome` on the path (Debian: apt-get install chromium). Fails if the browser says anything of an error in the page.
set -euo pipefail
program=$(realpath "$1")
folder=${2:-target/look}
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
mkdir -p "$folder"
cd "$folder"
"$program" eval 'normal((400000, 64), 0.5, 1, seed=1, dtype=f32)' -o embeddings.npy --overwrite
statements='m = mean(x, axis=0); s = std(x, axis=0); z = (x - m) / s; u = sqrt(z - 3); n = sqrt(sum(z * z, axis=1))'
"$program" eval "$statements" embeddings.npy -o z=z.npy -o n=n.npy -o u=u.npy -o m=m.npy --memory 128MiB --overwrite \
    --report report.html --report report.json --trace trace.json 2>/dev/null
"$program" explain "$statements" embeddings.npy -o z=z2.npy -o n=n2.npy --memory 128MiB --svg plan.svg >/dev/null
rm -f embeddings.npy z.npy n.npy u.npy m.npy
shot() { # page, colours, width, height
    local page=$1 colours=$2 scheme=1
    [ "$colours" = dark ] && scheme=0
    "$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$PWD/.browser" --enable-logging=stderr --v=0 \
        --blink-settings=preferredColorScheme=$scheme --window-size="$3,$4" --screenshot="${page%.*}-$colours.png" "file://$PWD/$page" 2>log >/dev/null
    if grep -E 'CONSOLE|ERR_' log; then exit 1; fi
}
for colours in light dark; do
    shot report.html $colours 1240 2900
    shot plan.svg $colours 1100 700
done
rm -rf .browser log
echo "look at $PWD/*.png"
