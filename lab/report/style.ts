/** The report's style sheet: two colour schemes, one column on a phone. */
export const STYLE = `
:root{color-scheme:light dark;--page:#fcfcfa;--card:#fff;--ink:#1c1e21;--soft:#5c636b;--line:#dfe2e5;
--link:#1558b0;--good:#0a7d4b;--bad:#b3261e;--open:#8a6100;--c0:#8a9099;--c1:#1f6fd6;--c2:#d95f02;--c3:#23272c;--c4:#7b4fc9;--c5:#c2367a;--c6:#8a6d1b;--c7:#0e7c86}
@media(prefers-color-scheme:dark){:root{--page:#14161a;--card:#1c1f24;--ink:#e8eaed;--soft:#a3abb5;--line:#343a42;
--link:#8ab8ff;--good:#5ed39b;--bad:#ff8a80;--open:#f2c14e;--c0:#8a9099;--c1:#6fb1ff;--c2:#ff9d57;--c3:#dfe4ea;--c4:#b79bff;--c5:#ff7fb5;--c6:#d8bb5c;--c7:#5cc7d1}}
*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
main{max-width:1080px;margin:0 auto;padding:24px 16px 64px}h1{font-size:1.8rem;line-height:1.2;margin:.3em 0}
h2{font-size:1.3rem;margin:2.2em 0 .4em}h3{font-size:1.05rem;margin:1.6em 0 .3em}p{max-width:70ch;margin:.5em 0}small,.soft{color:var(--soft)}
.claims{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,310px),1fr));gap:12px;padding:0;list-style:none}
.claims li{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px 14px}
.claims b{display:block}.claims div{margin-top:8px}.gauge{display:block;width:100%;max-width:240px;margin:2px 0}.claims small{line-height:1.35;display:block}.verdict{font-weight:600}.replicates{color:var(--good)}.fails{color:var(--bad)}.undecided{color:var(--open)}.idle{color:var(--soft)}
nav{display:flex;flex-wrap:wrap;gap:4px 18px;margin:1.2em 0;font-size:.92rem}a{color:var(--link)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,190px),1fr));gap:12px;padding:0;margin:1.2em 0;list-style:none}
.tiles li{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px 14px;font-size:.85rem;line-height:1.4;color:var(--soft)}
.tiles b{display:block;font-size:1.35rem;line-height:1.3;color:var(--ink);margin-bottom:4px}.tiles small{font-weight:400}

.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,330px),1fr));gap:14px}
.charts.wide{grid-template-columns:repeat(auto-fill,minmax(min(100%,440px),1fr))}
.small{grid-template-columns:repeat(auto-fill,minmax(min(100%,220px),1fr))}
figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:10px;padding:10px}figure.wide{margin:12px 0;max-width:760px}
figcaption{font-weight:600;font-size:.92rem;margin-bottom:4px}figure>svg{width:100%;height:auto;display:block}.cut{overflow:hidden}
svg text{fill:var(--ink);font:11px system-ui,sans-serif}svg .tick{fill:var(--soft);font-size:10px}.grid{stroke:var(--line)}.mark{stroke:var(--soft);stroke-dasharray:2 3}
polyline{fill:none;stroke-width:2}.reach{stroke:transparent;stroke-width:14}.name{opacity:0;pointer-events:none;font-weight:600}
.line:hover .name{opacity:1}.line:hover polyline:not(.reach){stroke-width:3.5}svg:has(.line:hover) .line:not(:hover){opacity:.2}.whisker{stroke-width:2}.bar{stroke-width:1.5;opacity:.45}.keys{display:flex;flex-wrap:wrap;gap:2px 14px;font-size:.8rem;margin-top:4px}
.key::before{content:"";display:inline-block;width:16px;border-top:3px solid;margin-right:5px;vertical-align:middle}.key.dashed::before{border-top-style:dashed}
${[0, 1, 2, 3, 4, 5, 6, 7].map((i) => `polyline.c${i},line.c${i}{stroke:var(--c${i})}circle.c${i}{fill:var(--c${i})}.k${i}::before{border-color:var(--c${i})}`).join("")}
${["replicates:good", "fails:bad", "undecided:open", "idle:soft"]
  .map((pair) => {
    const [name, color] = pair.split(":");
    return `line.${name}{stroke:var(--${color})}circle.${name}{fill:var(--${color})}`;
  })
  .join("")}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:10px;background:var(--card)}table{border-collapse:collapse;width:100%;font-size:.88rem;font-variant-numeric:tabular-nums}
th,td{padding:5px 9px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}th:first-child,td:first-child{text-align:left;position:sticky;left:0;background:var(--card)}
.words th,.words td,.named th:nth-child(2),.named td:nth-child(2){text-align:left}
thead th{color:var(--soft);font-weight:600}tr:last-child td{border-bottom:0}.up{background:color-mix(in srgb,var(--good) var(--depth),transparent)}.down{background:color-mix(in srgb,var(--bad) var(--depth),transparent)}code{font-size:.9em}
@media(max-width:560px){figure svg text{font-size:15px}figure svg .tick{font-size:14px}.small figure svg .tick{font-size:11px}}
details{margin:1em 0}summary{cursor:pointer;color:var(--soft)}pre{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:10px;padding:10px;font-size:.8rem}
`;
