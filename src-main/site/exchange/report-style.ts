// The look of the report: readable on a screen, quiet on paper, no fonts or pictures from elsewhere.
import { Html } from './html.ts'

export const REPORT_STYLE = new Html(`
@page { size: A4; margin: 18mm 15mm 20mm; @bottom-right { content: counter(page) " / " counter(pages); font: 8pt sans-serif; color: #555; } }
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: #1a1d21; font: 10pt/1.45 "Inter", "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
main { max-width: 190mm; margin: 0 auto; padding: 8mm 4mm; }
h1 { font-size: 20pt; margin: 0 0 4mm; letter-spacing: -0.01em; }
h2 { font-size: 13pt; margin: 9mm 0 2.5mm; padding-bottom: 1mm; border-bottom: 1.5pt solid #1a1d21; break-after: avoid; }
h3 { font-size: 10.5pt; margin: 5mm 0 1.5mm; break-after: avoid; }
dl { display: grid; grid-template-columns: 1fr 1fr; gap: 1.5mm 8mm; margin: 0; }
dt { font-size: 8pt; color: #5b626b; }
dd { margin: 0; overflow-wrap: anywhere; }
dl .wide { grid-column: 1 / -1; }
dl .wide dd { font-family: ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; font-size: 8.5pt; }
.notice { margin: 4mm 0 0; padding: 2mm 3mm; border: 1pt solid #9a6700; color: #6b4700; }
table { width: 100%; border-collapse: collapse; font-size: 8.5pt; }
table.narrow { width: auto; min-width: 80mm; }
thead { display: table-header-group; }
tr { break-inside: avoid; }
th, td { text-align: left; vertical-align: top; padding: 1.2mm 2mm; border-bottom: 0.5pt solid #c9ced6; overflow-wrap: anywhere; }
thead th { overflow-wrap: normal; font-size: 8pt; color: #5b626b; font-weight: 600; border-bottom: 1pt solid #5b626b; }
tbody th { font-weight: 600; min-width: 30mm; }
.more { margin: 2mm 0 0; color: #5b626b; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.code { font-family: ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; font-size: 8pt; }
.bare { color: #a40000; font-weight: 600; }
.small { font-size: 8pt; color: #5b626b; margin: 1mm 0 0; }
.statement { margin: 5mm 0 0; padding: 2mm 3mm; border: 1pt solid #1a1d21; }
.statement p { margin: 0; }
.signatures { break-inside: avoid; }
.signature { display: inline-block; width: 46%; margin-right: 3%; }
.signature .line { height: 16mm; border-bottom: 0.75pt solid #1a1d21; }
@media print { main { max-width: none; padding: 0; } }
`)
