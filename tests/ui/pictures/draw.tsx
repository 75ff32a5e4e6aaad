// Grafana's own components around the frames of one dashboard: time series, stat, bar gauge, table, with units, thresholds, mappings and
// links. Annotations and the bar of variables are the server's and are not drawn; the variables stand in the title.
import React from 'react';
import { createRoot } from 'react-dom/client';
import {
  applyFieldOverrides, createTheme, dateTime, FieldConfigOptionsRegistry, getDisplayProcessor, standardFieldConfigEditorRegistry, ThemeContext, toDataFrame,
} from '@grafana/data';
import {
  BarGauge, BigValue, BigValueColorMode, BigValueGraphMode, GlobalStyles, LegendDisplayMode, PanelChrome, TimeSeries,
} from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';

const WIDTH = 1400;
const GAP = 8;
const ZONE = 'utc';
const page: any = window;
const theme = createTheme({ colors: { mode: 'dark' } });
const wrong: string[] = [];
page.wrong = wrong;

const PLAIN = [
  'unit', 'min', 'max', 'fieldMinMax', 'decimals', 'displayName', 'noValue', 'color', 'thresholds', 'mappings', 'links', 'filterable', 'description',
];
const CUSTOM = [
  'align', 'axisLabel', 'axisPlacement', 'cellOptions', 'drawStyle', 'fillOpacity', 'fillBelowTo', 'hideFrom', 'inspect',
  'lineInterpolation', 'lineStyle', 'lineWidth', 'minWidth', 'pointSize',
  'scaleDistribution', 'showPoints', 'spanNulls', 'stacking', 'thresholdsStyle', 'width', 'wrapHeaderText', 'wrapText',
];
const item = (id: string, custom: boolean): any =>
  ({ id: custom ? `custom.${id}` : id, path: id, isCustom: custom, name: id, process: (v: any) => v, shouldApply: () => true });
standardFieldConfigEditorRegistry.setInit(() => PLAIN.map((id) => item(id, false)));
const registry = new FieldConfigOptionsRegistry(() => [...PLAIN.map((id) => item(id, false)), ...CUSTOM.map((id) => item(id, true))]);

function prepared(panel: any, raw: any[]) {
  const data = raw.map((frame, i) => ({ ...toDataFrame(frame), refId: String.fromCharCode(65 + i) }));
  return applyFieldOverrides({ fieldConfigRegistry: registry, data, fieldConfig: panel.fieldConfig, theme, timeZone: ZONE, replaceVariables: (text) => text });
}

const centre: any = { display: 'flex', alignItems: 'center', justifyContent: 'center', fontSize: 24, color: theme.colors.text.secondary };

function Empty() {
  return <div style={{ color: theme.colors.text.secondary, padding: 12 }}>No data</div>;
}

function body(panel: any, raw: any[], range: any, width: number, height: number) {
  const data = prepared(panel, raw);
  const first = data[0];
  if (!first || (first.length === 0 && panel.type !== 'table')) return <Empty />;
  if (panel.type === 'timeseries') {
    const legend: any = { ...panel.options.legend, displayMode: LegendDisplayMode.List };
    return <TimeSeries frames={data} width={width} height={height} timeRange={range} timeZone={ZONE} legend={legend} options={panel.options} />;
  }
  const number = first.fields.find((f: any) => f.type === 'number')!;
  const shown = (f: any) => f.display ?? getDisplayProcessor({ field: f, theme, timeZone: ZONE });
  if (panel.type === 'stat') {
    const value = number.values.at(-1);
    if (value === undefined) return <Empty />;
    if (value === null) return <div style={{ ...centre, height }}>{panel.fieldConfig.defaults.noValue ?? '-'}</div>;
    const mode = panel.options.colorMode === 'background' ? BigValueColorMode.Background : BigValueColorMode.Value;
    const said = panel.options.textMode === 'name' ? { numeric: value, text: number.name } : shown(number)(value);
    return <BigValue theme={theme} width={width} height={height} value={said} colorMode={mode} graphMode={BigValueGraphMode.None} />;
  }
  if (panel.type === 'bargauge') {
    const names = first.fields.find((f: any) => f.type === 'string')!;
    const n = Math.min(first.length, panel.options.reduceOptions.limit ?? 25);
    const greatest = Math.max(...number.values.map(Number), 0);
    const each = Math.min(Math.floor(height / n), 40);
    const config: any = { ...number.config, min: number.config.min ?? Math.min(0, ...number.values.map(Number)), max: number.config.max ?? (greatest || 1) };
    const all: any = {
      theme, width, height: each - 4, orientation: 'horizontal', displayMode: panel.options.displayMode, showUnfilled: true, field: config,
      text: { titleSize: 12, valueSize: 12 }, alignmentFactors: { text: longest(number, shown, n), title: longestOf(names.values) },
    };
    const bar = (name: any, i: number) => <BarGauge key={i} {...all} value={{ ...shown(number)(number.values[i]), title: String(name) }} />;
    return <div style={{ overflow: 'hidden', height }}>{names.values.slice(0, n).map(bar)}</div>;
  }
  const { cellHeight, enablePagination } = panel.options;
  const shape: any = { width, height, cellHeight, enablePagination, enableVirtualization: false, fieldConfig: panel.fieldConfig };
  return <TableNG data={first} {...shape} />;
}

const longestOf = (values: any[]) => values.map(String).reduce((a, b) => (b.length > a.length ? b : a), '');
const said = (value: any) => `${value.text}${value.suffix ?? ''}`;
const longest = (f: any, shown: any, n: number) => longestOf(f.values.slice(0, n).map((v: any) => said(shown(f)(v))));

function Dashboard({ dashboard, frames, range, chosen }: any) {
  const unit = (WIDTH - GAP) / 24;
  const times = { from: dateTime(range.from * 1000), to: dateTime(range.to * 1000), raw: { from: 'now-1h', to: 'now' } };
  const bottom = Math.max(...dashboard.panels.map((p: any) => p.gridPos.y + p.gridPos.h));
  const at = (p: any) => ({ left: GAP + p.gridPos.x * unit, top: 44 + p.gridPos.y * 38, width: p.gridPos.w * unit - GAP, height: p.gridPos.h * 38 - GAP });
  return <div style={{ position: 'relative', width: WIDTH, height: 52 + bottom * 38, background: theme.colors.background.canvas }}>
    <div style={{ position: 'absolute', left: 16, top: 10, color: theme.colors.text.primary, fontSize: 18 }}>{dashboard.title}
      <span style={{ color: theme.colors.text.secondary, fontSize: 13, marginLeft: 16 }}>{chosen}</span></div>
    {dashboard.panels.map((p: any) => {
      const { width, height, ...place } = at(p);
      if (p.type === 'row') return <div key={p.id} style={{ position: 'absolute', ...place, color: theme.colors.text.primary, fontWeight: 500 }}>{p.title}</div>;
      return <div key={p.id} style={{ position: 'absolute', ...place }}>
        <PanelChrome title={p.title} description={p.description} width={width} height={height}>{(w: number, h: number) => body(p, frames[p.id], times, w, h)}</PanelChrome></div>;
    })}</div>;
}

page.draw = (props: any) => {
  const root = createRoot(document.getElementById('root')!, { onUncaughtError: (e: any) => wrong.push(String(e?.stack ?? e)) });
  root.render(<ThemeContext.Provider value={theme}><GlobalStyles /><Dashboard {...props} /></ThemeContext.Provider>);
};
