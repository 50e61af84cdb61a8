"""The report's style: one column, three colours that colour-blind people tell apart, and shapes for those who see none."""

from __future__ import annotations

from typing import Final

# (name, light, dark). Text colours stand on `paper` and `card` with a contrast of at least 4.5 to 1; fills with 3 to 1.
COLOURS: Final = (
    ("paper", "#faf9f6", "#14171b"),
    ("card", "#ffffff", "#1c2026"),
    ("ink", "#1b1f24", "#eceae4"),
    ("soft", "#565c64", "#a9afb8"),
    ("rule", "#dcd8cf", "#333941"),
    ("track", "#ece9e2", "#2a2f36"),
    ("admitted", "#0b5c99", "#74b6f2"),
    ("quarantined", "#8d5200", "#f0b555"),
    ("rejected", "#9f1d47", "#ff90ad"),
    ("undecided", "#565c64", "#a9afb8"),
    ("admitted-fill", "#2176b8", "#5aa5e8"),
    ("quarantined-fill", "#c97f12", "#e8a53a"),
    ("rejected-fill", "#b52a58", "#f0708f"),
    ("undecided-fill", "#7b828b", "#8d949e"),
)


def _variables(place: int) -> str:
    return "".join(f"--{colour[0]}:{colour[place]};" for colour in COLOURS)


_VERDICTS: Final = ("admitted", "quarantined", "rejected", "undecided")
_OF_VERDICTS: Final = "".join(
    f".{verdict}{{color:var(--{verdict})}}.fill-{verdict}{{fill:var(--{verdict}-fill)}}"
    f".line-{verdict}{{stroke:var(--{verdict}-fill)}}.edge-{verdict}{{border-left-color:var(--{verdict}-fill)}}"
    for verdict in _VERDICTS
)

STYLE: Final = (
    f":root{{color-scheme:light dark;{_variables(1)}}}"
    f"@media(prefers-color-scheme:dark){{:root{{{_variables(2)}}}}}"
    + """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%;scroll-padding-top:1rem}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;overflow-wrap:anywhere}
main,footer{max-width:60rem;margin:0 auto;padding:0 1.25rem}
h1,h2,h3,h4,p,dl,ol,ul,figure,blockquote{margin:0;padding:0}
h1,h2{font-family:Charter,"Iowan Old Style","Palatino Linotype",Georgia,serif;font-weight:600;letter-spacing:-.01em;line-height:1.15}
h1,h2{text-wrap:balance}
h1{font-size:clamp(1.9rem,1.1rem + 3.6vw,3.25rem)}
h2{font-size:1.6rem}
h3{font-size:1rem;font-weight:650;line-height:1.35}
.eyebrow{color:var(--soft);font-size:.8125rem;letter-spacing:.06em;text-transform:uppercase}
.soft,caption,.of{color:var(--soft)}
.small{font-size:.875rem}
.n{font-variant-numeric:tabular-nums lining-nums;white-space:nowrap}
code,.mono{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.875em}
svg{display:block;overflow:visible}
.f{unicode-bidi:isolate}
header{padding:2.5rem 0 0}
header .eyebrow{margin-bottom:.75rem}
.what{margin-top:.75rem;font-size:1.0625rem;color:var(--soft)}
.what strong{color:var(--ink);font-weight:600}
.waffle{margin:1.75rem 0 1.25rem}
.waffle svg{width:100%;height:auto}
.waffle .narrow{display:none}
@media(max-width:36rem){.waffle .narrow{display:block}.waffle .broad{display:none}}
.waffle figcaption{margin-top:.5rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(12.5rem,1fr));gap:.75rem}
.tile{background:var(--card);border:1px solid var(--rule);border-left:4px solid;border-radius:6px;padding:.9rem 1rem 1rem}
.tile .big{font-size:1.75rem;font-weight:650;line-height:1.2;color:var(--ink);display:block;white-space:normal}
.tile .of{font-size:.875rem}
.mark{display:inline-block;width:.8em;height:.8em;vertical-align:-.06em;margin-right:.4em}
.word{font-weight:650}
.care{margin-top:1.25rem;border:1px solid var(--rule);border-radius:6px;padding:.9rem 1rem;background:var(--card)}
.care h2{font:650 1rem/1.35 system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif;letter-spacing:0}
.care ul{list-style:none}
.care li+li{margin-top:.4rem}
nav{margin:1.5rem 0 0;padding:.75rem 0;border-top:1px solid var(--rule);border-bottom:1px solid var(--rule);font-size:.9375rem}
nav ol{list-style:none;display:flex;flex-wrap:wrap;gap:.35rem 1.25rem}
a{color:inherit;text-decoration-color:var(--soft);text-underline-offset:.2em}
a:hover{text-decoration-thickness:2px}
a:focus-visible,summary:focus-visible{outline:3px solid var(--admitted-fill);outline-offset:2px;border-radius:2px}
section{padding-top:3rem}
section>h2+p{margin-top:.4rem;color:var(--soft);max-width:42rem}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr));gap:0 2.5rem;align-items:start}
.reasons{list-style:none;margin-top:1.25rem}
.reasons li{padding:1rem 0;border-top:1px solid var(--rule)}
.reasons .head{display:flex;flex-wrap:wrap;align-items:baseline;gap:.1rem .9rem}
.reasons .head .n{margin-left:auto;font-weight:650}
.reasons h3 code{font-size:1rem;font-weight:650}
.reasons .bar{margin:.5rem 0 .55rem}
.reasons p{max-width:44rem}
.do{color:var(--soft)}
table{width:100%;border-collapse:collapse;margin-top:1.25rem}
caption{text-align:left;font-size:.9375rem;padding-bottom:.5rem}
th,td{text-align:left;vertical-align:top;padding:.6rem 0;border-top:1px solid var(--rule);font-weight:400}
thead th{font-size:.8125rem;color:var(--soft);padding:.3rem 0;border-top:0}
td.n,th.n{text-align:right;padding-left:1rem;width:1%}
th .name{font-weight:600}
th .bar{margin-top:.45rem}
.parts{font-size:.8125rem;color:var(--soft);margin-top:.3rem;display:flex;flex-wrap:wrap;gap:0 .9rem}
.parts .mark{margin-right:.35em}
.track{fill:var(--track)}
.samples>details{border-top:1px solid var(--rule)}
.samples>details:last-of-type{border-bottom:1px solid var(--rule)}
.samples{margin-top:1.25rem}
summary{cursor:pointer;padding:.8rem 0;display:flex;flex-wrap:wrap;gap:.1rem .9rem;align-items:baseline;list-style:none}
summary::-webkit-details-marker{display:none}
summary:before{content:"";width:.45rem;height:.45rem;border:solid var(--soft);border-width:0 2px 2px 0;transform:rotate(-45deg);align-self:center;flex:none}
details[open]>summary:before{transform:rotate(45deg)}
summary .n{margin-left:auto;color:var(--soft)}
.sample{padding:0 0 1.75rem}
blockquote{border-left:4px solid var(--rule);background:var(--card);padding:.75rem 1rem;white-space:pre-wrap;overflow:hidden;font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.875rem;line-height:1.5}
.why{margin:.75rem 0 0;max-width:44rem}
.kin{display:grid;grid-template-columns:minmax(0,1fr);gap:1rem 2.5rem;margin-top:1rem}
@media(min-width:48rem){.kin{grid-template-columns:22.5rem minmax(0,1fr);align-items:start}.kin.alone{grid-template-columns:4rem minmax(0,1fr)}}
.kin>svg{max-width:100%;height:auto;margin:0 auto;overflow:hidden}
.kin ol{list-style:none;font-size:.875rem}
.kin ol li{padding:.5rem 0;border-top:1px solid var(--rule);display:grid;grid-template-columns:1.9rem minmax(0,1fr)}
.kin ol li:first-child{border-top:0}
.kin .no{font-weight:650}
.kin strong{font-weight:650}
.shape{fill:var(--card);stroke:var(--ink);stroke-width:1.75}
.shape.machine{fill:var(--track)}
.shape.gone{stroke-dasharray:4 3;stroke:var(--soft)}
.ring{fill:none;stroke-width:4}
.edge{fill:none;stroke:var(--soft);stroke-width:1.5}
.edge.on{stroke-width:3.5}
.head-of{fill:var(--soft)}
.kin text{font:600 14px system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif;fill:var(--ink);text-anchor:middle}
.kin text.on-edge{font-weight:400;font-size:11.5px;fill:var(--ink);stroke:var(--paper);stroke-width:4;paint-order:stroke;stroke-linejoin:round}
.kin .glyph,.legend .glyph{fill:var(--ink);stroke:var(--paper);stroke-width:3;paint-order:stroke;fill-rule:evenodd}
.kin text.glyph,.legend text.glyph{font:600 26px Georgia,serif;text-anchor:middle}
.legend{display:flex;flex-wrap:wrap;gap:.35rem 1.1rem;margin-top:.9rem;font-size:.8125rem;color:var(--soft);list-style:none}
.legend li{display:flex;align-items:center;gap:.4rem}
.legend svg{flex:none}
.limits{list-style:none;margin-top:1.25rem;display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,17rem),1fr));gap:1rem 2rem}
.limits li{border-top:3px solid var(--ink);padding-top:.6rem}
.limits strong{display:block}
dl{margin-top:1.25rem}
dl>div{display:grid;grid-template-columns:minmax(0,1fr);padding:.55rem 0;border-top:1px solid var(--rule)}
dt{color:var(--soft);font-size:.875rem}
dd{margin:0}
@media(min-width:40rem){dl>div{grid-template-columns:12rem minmax(0,1fr)}dt{padding-top:.1rem}}
footer{margin-top:3.5rem;padding-top:1.25rem;padding-bottom:3rem;color:var(--soft);font-size:.875rem}
footer p{border-top:1px solid var(--rule);padding-top:1rem}
@media print{
:root{color-scheme:light;COLOURS--paper:#fff}
body{font-size:10.5pt}
nav,summary:before{display:none}
section,.reasons li,tr,.sample,.tile{break-inside:avoid}
section{padding-top:1.5rem}
details::details-content{content-visibility:visible;display:block}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
}
""".replace("COLOURS", _variables(1))
    + _OF_VERDICTS
)
