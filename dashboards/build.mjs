// Writes the dashboards, dashboards/grafana/*.json: one line a panel here, instead of fifty there.
//
//   node dashboards/build.mjs           writes them
//   node dashboards/build.mjs --check   says which of them are not what it would write, and ends with 1
import { readFileSync, writeFileSync } from 'node:fs';

const prometheus = { type: 'prometheus', uid: '${datasource}' };
const WIDTH = 24;

// One query: [expression, legend].
const query = ([expr, legendFormat], at, more = {}) =>
    ({ refId: String.fromCharCode(65 + at), datasource: prometheus, expr, ...(legendFormat ? { legendFormat } : {}), ...more });
const instant = { instant: true, range: false };

const panel = (type, title, description, targets, width, height, fieldConfig, options, more = {}) =>
    ({ type, title, description, datasource: prometheus, targets, gridPos: { w: width, h: height }, fieldConfig, options, ...more });

const field = (unit, defaults = {}, overrides = []) => ({ defaults: { ...(unit ? { unit } : {}), ...defaults }, overrides });
const steps = (...pairs) => ({ mode: 'absolute', steps: pairs.map(([value, color]) => ({ value, color })) });
const lastValue = { calcs: ['lastNotNull'], fields: '', values: false };

// One number; from `bad` on it is red. With `named` the legend is shown instead of the number.
const stat = (title, description, expr, { unit, bad, mappings, width = 3, legend, named } = {}) =>
    panel('stat', title, description, [query([expr, legend], 0, instant)], width, 4,
        field(unit, {
            ...(bad === undefined ? {} : { thresholds: steps([null, 'green'], [bad, 'red']), color: { mode: 'thresholds' } }),
            ...(mappings ? { mappings: [{ type: 'value', options: mappings }] } : {}),
        }),
        { reduceOptions: lastValue, colorMode: bad === undefined ? 'none' : 'value', graphMode: 'none', textMode: named ? 'name' : 'auto' });

// Lines over time. Titles in `dashed` are drawn as limits.
const lines = (title, description, queries, { unit, width = 12, height = 9, stacked, steps: isStepped, dashed = [] } = {}) =>
    panel('timeseries', title, description, queries.map((q, at) => query(q, at)), width, height,
        field(unit, {
            custom: {
                drawStyle: 'line', lineWidth: 1, fillOpacity: stacked ? 20 : 0, showPoints: 'never', spanNulls: false,
                ...(isStepped ? { lineInterpolation: 'stepAfter' } : {}),
                ...(stacked ? { stacking: { mode: 'normal', group: 'A' } } : {}),
            },
        }, dashed.map((name) => ({
            matcher: { id: 'byName', options: name },
            properties: [
                { id: 'custom.lineStyle', value: { fill: 'dash', dash: [8, 6] } },
                { id: 'color', value: { mode: 'fixed', fixedColor: 'text' } },
            ],
        }))),
        { legend: { displayMode: 'list', placement: 'bottom', showLegend: true, calcs: [] }, tooltip: { mode: 'multi', sort: 'desc' } });

// One bar for each series, the last value.
const bars = (title, description, q, { unit, width = 12, height = 9 } = {}) =>
    panel('bargauge', title, description, [query(q, 0, instant)], width, height,
        field(unit, { thresholds: steps([null, 'red'], [0, 'green']), color: { mode: 'thresholds' } }),
        { displayMode: 'basic', orientation: 'horizontal', reduceOptions: lastValue, showUnfilled: true, valueMode: 'color' });

// One row for each value of the label `by`, one column for each [name, expression, unit, decimals].
const table = (title, description, by, columns, { width = WIDTH, height = 12, sortBy } = {}) =>
    panel('table', title, description,
        columns.map(([, expr], at) => query([expr], at, { ...instant, format: 'table' })), width, height,
        field(undefined, { custom: { align: 'auto', filterable: true } },
            columns.flatMap(([name, , unit, decimals]) => unit || decimals !== undefined ? [{
                matcher: { id: 'byName', options: name },
                properties: [
                    ...(unit ? [{ id: 'unit', value: unit }] : []),
                    ...(decimals === undefined ? [] : [{ id: 'decimals', value: decimals }]),
                ],
            }] : [])),
        { showHeader: true, sortBy: [{ displayName: sortBy ?? columns[0][0], desc: false }] },
        {
            transformations: [
                { id: 'joinByField', options: { byField: by, mode: 'outer' } },
                { id: 'filterFieldsByName', options: { include: { pattern: `/^(${by}|state|Value #.*)$/` } } },
                {
                    id: 'organize',
                    options: {
                        excludeByName: {}, indexByName: {},
                        renameByName: Object.fromEntries(columns.map(([name], at) => [`Value #${String.fromCharCode(65 + at)}`, name])),
                    },
                },
            ],
        });

// The state that a candidate or the desk is in, over time.
const states = (title, description, q, { width = WIDTH, height = 8 } = {}) =>
    panel('state-timeline', title, description, [query(q, 0)], width, height,
        field(undefined, { custom: { fillOpacity: 70, lineWidth: 0 }, color: { mode: 'palette-classic' } }),
        { alignValue: 'left', mergeValues: true, showValue: 'auto', rowHeight: 0.9, legend: { displayMode: 'list', placement: 'bottom', showLegend: false, calcs: [] }, tooltip: { mode: 'single', sort: 'none' } });

// One point for each candidate: the first query across, the second up.
const scatter = (title, description, [x, xName], [y, yName], { unit, width = 12, height = 9 } = {}) =>
    panel('xychart', title, description,
        [[x], [y]].map((q, at) => query(q, at, { ...instant, format: 'table' })), width, height,
        field(unit, { custom: { show: 'points', pointSize: { fixed: 6 } } }),
        {
            mapping: 'manual',
            series: [{
                name: { fixed: title },
                frame: { matcher: { id: 'byIndex', options: 0 } },
                x: { matcher: { id: 'byName', options: xName } },
                y: { matcher: { id: 'byName', options: yName } },
            }],
            legend: { displayMode: 'list', placement: 'bottom', showLegend: false, calcs: [] },
            tooltip: { mode: 'single', sort: 'none' },
        },
        {
            transformations: [
                { id: 'joinByField', options: { byField: 'model', mode: 'inner' } },
                { id: 'filterFieldsByName', options: { include: { pattern: '/^(model|Value #.*)$/' } } },
                { id: 'organize', options: { excludeByName: {}, indexByName: {}, renameByName: { 'Value #A': xName, 'Value #B': yName } } },
            ],
        });

const row = (title) => ({ type: 'row', title, collapsed: false, panels: [], gridPos: { w: WIDTH, h: 1 } });

// From left to right, a new line where the next one does not fit.
function place(panels) {
    let [x, y, height] = [0, 0, 0];
    return panels.map((one, at) => {
        const { w, h } = one.gridPos;
        if (x + w > WIDTH) [x, y, height] = [0, y + height, 0];
        const placed = { id: at + 1, ...one, gridPos: { x, y, w, h } };
        [x, height] = [x + w, Math.max(height, h)];
        return placed;
    });
}

const all = { text: 'All', value: '$__all' };
const labels = (name, label, expr, multi) => ({
    name, label, type: 'query', datasource: prometheus, query: { query: expr, refId: name }, refresh: 2, sort: 1, multi, includeAll: multi,
    ...(multi ? { allValue: '.*', current: all } : {}),
});
const variables = {
    datasource: { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus', refresh: 1 },
    instance: labels('instance', 'Arena', 'label_values(arena_build_info, instance)', true),
    models: labels('model', 'Models', 'label_values(arena_model_info{instance=~"$instance"}, model)', true),
    model: labels('model', 'Model', 'label_values(arena_model_info{instance=~"$instance"}, model)', false),
    top: {
        name: 'top', label: 'Best', type: 'custom', query: '5,10,20,50', multi: false, includeAll: false, current: { text: '10', value: '10' },
        options: ['5', '10', '20', '50'].map((n) => ({ text: n, value: n, selected: n === '10' })),
    },
};

const dashboard = (uid, title, description, names, panels) => ({
    uid: `arena-${uid}`, title: `Arena: ${title}`, description, tags: ['arena'], schemaVersion: 41, editable: true, refresh: '15s',
    time: { from: 'now-1h', to: 'now' }, timezone: 'utc', graphTooltip: 1,
    templating: { list: ['datasource', 'instance', ...names].map((name) => variables[name]) },
    annotations: { list: [] },
    links: [{
        title: 'Arena', type: 'dashboards', tags: ['arena'], asDropdown: true, includeVars: true, keepTime: true, targetBlank: false,
        icon: 'external link', tooltip: 'The other dashboards of the arena', url: '',
    }],
    panels: place(panels),
});

const at = '{instance=~"$instance"}';
const of = '{instance=~"$instance",model=~"$model"}';
const one = '{instance=~"$instance",model="$model"}';
const best = `and on (instance, model) bottomk($top, arena_model_rank${of})`;
const ofBest = (name) => `arena_model_${name}${of} ${best}`;
const byModel = (name) => `sum by (model) (${ofBest(name)})`;

const leaderboard = dashboard('leaderboard', 'leaderboard', 'Who is where, on what evidence, and what it made.', ['models', 'top'], [
    stat('Live', 'Candidates that deal for real.', `sum(arena_models{instance=~"$instance",state="live"})`),
    stat('Eligible', 'Candidates that have passed and wait for a live slot.', `sum(arena_models{instance=~"$instance",state="eligible"})`),
    stat('Shadow', 'Candidates that trade on paper.', `sum(arena_models{instance=~"$instance",state="shadow"})`),
    stat('Suspended', 'Candidates that failed and stand still.', `sum(arena_models{instance=~"$instance",state="suspended"})`, { bad: 1 }),
    stat('Episodes', 'Scored, of all candidates.', `sum(arena_model_episodes${of})`),
    stat('Paper profit', 'Of all candidates together, closed trades.', `sum by (currency) (arena_model_net_profit${of})`, { legend: '{{currency}}' }),
    stat('Live profit', 'Since the arena began.', `sum by (currency) (arena_desk_net_profit${at})`, { legend: '{{currency}}' }),
    stat('Event time', 'Of the last round, UTC.', `max(arena_event_time_seconds${at}) * 1000`, { unit: 'dateTimeAsIso' }),
    table('Leaderboard', 'The best by rank. State stands in its own column.', 'model', [
        ['Rank', `sum by (model, state) (${ofBest('rank')} * on (instance, model) group_left (state) arena_model_state${of})`],
        ['Episodes', byModel('episodes')],
        ['Net profit', byModel('net_profit'), undefined, 2],
        ['Mean R', byModel('mean_r'), undefined, 3],
        ['Lower bound', byModel('lcb95_r'), undefined, 3],
        ['Progress', byModel('progress_ratio'), 'percentunit', 0],
        ['Gates missed', byModel('gates_failing')],
        ['Drawdown R', byModel('max_drawdown_r'), undefined, 2],
        ['Win rate', byModel('win_ratio'), 'percentunit', 1],
        ['Exposure', byModel('exposure_ratio'), 'percentunit', 1],
        ['Position', byModel('position')],
    ], { sortBy: 'Rank' }),
    row('Predicted against actual'),
    scatter('Predicted against actual', 'One point a candidate: exit over entry of its last closed paper trade, as predicted and as it came.',
        [`sum by (model) (arena_model_predicted_ratio${of})`, 'Predicted'], [`sum by (model) (arena_model_actual_ratio${of})`, 'Actual'], { width: 8 }),
    lines('Close level against predicted level', 'Exit level of the last closed paper trade, as it came and as predicted, of the best.', [
        [ofBest('close_level'), '{{model}} close'],
        [ofBest('predicted_level'), '{{model}} predicted'],
    ], { width: 8, steps: true }),
    bars('Profit per model', 'Closed paper trades.', [`sort_desc(${byModel('net_profit')})`, '{{model}}'], { width: 8 }),
    row('Over time'),
    lines('Equity on paper', 'Cumulated R of closed trades.', [[ofBest('equity_r'), '{{model}}']], { unit: 'suffix: R', steps: true }),
    lines('Profit per model over time', 'Closed paper trades.', [[ofBest('net_profit'), '{{model}}']], { steps: true }),
    lines('Mean R', 'Costs stressed.', [[ofBest('mean_r'), '{{model}}']], { unit: 'suffix: R' }),
    lines('Models by state', 'Retired ones included.', [[`sum by (state) (arena_models${at})`, '{{state}}']], { stacked: true, steps: true }),
]);

const model = dashboard('model', 'one model', 'One candidate: what it believed, what came, what it made.', ['model'], [
    stat('Rank', 'Place on the leaderboard.', `min(arena_model_rank${one})`),
    stat('State', 'In its lifecycle.', `max by (state) (arena_model_state${one})`, { legend: '{{state}}', named: true }),
    stat('Episodes', 'Scored.', `sum(arena_model_episodes${one})`),
    stat('Net profit', 'Closed paper trades.', `sum by (currency) (arena_model_net_profit${one})`, { legend: '{{currency}}' }),
    stat('Mean', 'Outcome in R, costs stressed.', `max(arena_model_mean_r${one})`, { unit: 'suffix: R' }),
    stat('Progress', 'To the evidence gate.', `max(arena_model_progress_ratio${one})`, { unit: 'percentunit' }),
    stat('Gates missed', 'The page and arena explain name them.', `max(arena_model_gates_failing${one})`),
    stat('Position', 'Open on paper.', `sum(arena_model_position${one})`, { mappings: { '-1': { text: 'short' }, 0: { text: 'none' }, 1: { text: 'long' } } }),
    row('Predicted against actual'),
    lines('Predicted against actual', 'Exit over entry of the last closed paper trade. Both are the market\'s ratio, for a short as for a long.', [
        [`arena_model_actual_ratio${one}`, 'actual'],
        [`arena_model_predicted_ratio${one}`, 'predicted'],
    ], { steps: true }),
    lines('Close level against predicted level', 'Exit level of the last closed paper trade.', [
        [`arena_model_close_level${one}`, 'close'],
        [`arena_model_predicted_level${one}`, 'predicted'],
    ], { steps: true }),
    lines('Error of the prediction', 'Actual less predicted ratio, and its mean over the hour.', [
        [`arena_model_actual_ratio${one} - arena_model_predicted_ratio${one}`, 'error'],
        [`avg_over_time((arena_model_actual_ratio${one} - arena_model_predicted_ratio${one})[1h:])`, 'mean over 1 h'],
    ], { steps: true, dashed: ['mean over 1 h'] }),
    lines('Profit', 'Closed paper trades.', [[`arena_model_net_profit${one}`, '{{currency}}']], { steps: true }),
    row('Ledger'),
    lines('Equity on paper', 'Cumulated R of closed trades.', [[`arena_model_equity_r${one}`, 'equity']], { unit: 'suffix: R', steps: true }),
    lines('Drawdown', 'Below the peak now, over [promotion] capital.', [[`-arena_model_drawdown_ratio${one}`, 'drawdown']], { unit: 'percentunit', steps: true }),
    lines('Mean R and its bounds', 'Right at all times at once, at 95 %.', [
        [`arena_model_mean_r${one}`, 'mean'],
        [`arena_model_lcb95_r${one}`, 'lower'],
        [`arena_model_ucb95_r${one}`, 'upper'],
    ], { unit: 'suffix: R', dashed: ['lower', 'upper'] }),
    lines('Win rate and exposure', 'Trades with a profit over trades; time in a position over time registered.', [
        [`arena_model_win_ratio${one}`, 'win rate'],
        [`arena_model_exposure_ratio${one}`, 'exposure'],
    ], { unit: 'percentunit' }),
    lines('Profit factor', 'Gross win over gross loss.', [[`arena_model_profit_factor${one}`, 'profit factor']]),
    lines('Abstentions', 'Predictions that the nearness gate kept from a stance, and what the training rows let expect. Empty without a gate.', [
        [`arena_model_abstention_ratio${one}`, 'abstained'],
        [`arena_model_training_abstention_ratio${one}`, 'expected'],
    ], { unit: 'percentunit', dashed: ['expected'] }),
    states('Position', 'On paper: 1 long, -1 short, 0 none.', [`arena_model_position${one}`, 'position'], { height: 5 }),
]);

const live = dashboard('live', 'live against shadow', 'What live dealing made beside its paper twins, and where the difference comes from.', ['models'], [
    stat('Dealing', 'The state of live dealing.', `max by (state) (arena_desk_state${at}) == 1`, { legend: '{{state}}', named: true }),
    stat('Live models', 'Candidates that deal for real.', `sum(arena_models{instance=~"$instance",state="live"})`),
    stat('Open positions', 'Live ones: open, sent or of unknown outcome.', `sum(arena_desk_open_positions${at})`),
    stat('Today', 'Live profit of this UTC day.', `sum by (currency) (arena_desk_day_profit${at})`, { legend: '{{currency}}' }),
    stat('Net', 'Live profit since the arena began.', `sum by (currency) (arena_desk_net_profit${at})`, { legend: '{{currency}}' }),
    stat('Shortfall', 'Live less paper, all trades; below zero live made less.', `sum by (currency) (arena_desk_shortfall${of})`, { legend: '{{currency}}' }),
    stat('Break', 'Differences between the books that halt dealing.', `sum(arena_desk_break${at})`, { bad: 1 }),
    stat('Unknown orders', 'Since the start.', `sum(arena_desk_orders_total{instance=~"$instance",outcome="unknown"}) or vector(0)`, { bad: 1 }),
    lines('Live profit', 'Since the arena began, and of the day.', [
        [`sum by (currency) (arena_desk_net_profit${at})`, 'net {{currency}}'],
        [`sum by (currency) (arena_desk_day_profit${at})`, 'today {{currency}}'],
    ], { steps: true }),
    lines('Live less paper', 'Each candidate\'s closed live trades less those of its twin.', [
        [`sum by (model) (arena_desk_shortfall${of})`, '{{model}}'],
    ], { steps: true }),
    bars('Shortfall by part', 'Where the difference comes from, all candidates.', [
        `sum by (part) (arena_desk_shortfall${of})`, '{{part}}']),
    lines('Entry delay', 'From the close of the bar to the fill: live, and what paper assumes.', [
        [`arena_desk_entry_delay_seconds${of}`, '{{model}} {{source}}']], { unit: 's' }),
    lines('Slippage of a fill', 'How much worse than the quote: live, and what paper assumes. In price.', [
        [`arena_desk_fill_slippage${of}`, '{{model}} {{source}}']]),
    lines('Live trades in the comparison', 'Both live and paper are over.', [[`arena_desk_shortfall_trades${of}`, '{{model}}']], { steps: true }),
    lines('Paper mean of live models', 'R, costs stressed, with its lower bound: what the champion\'s twin makes meanwhile.', [
        [`arena_model_mean_r${of} and on (instance, model) arena_model_state{instance=~"$instance",state="live"}`, '{{model}} mean'],
        [`arena_model_lcb95_r${of} and on (instance, model) arena_model_state{instance=~"$instance",state="live"}`, '{{model}} lower bound'],
    ], { unit: 'suffix: R' }),
    lines('Live orders', 'A minute, by outcome.', [
        [`sum by (outcome) (rate(arena_desk_orders_total${at}[$__rate_interval])) * 60`, '{{outcome}}']]),
    lines('Comparisons of the books', 'A minute, by result.', [
        [`sum by (result) (rate(arena_desk_reconciliations_total${at}[$__rate_interval])) * 60`, '{{result}}']]),
    lines('Breaks', 'Differences by name: mended, or halted dealing. Empty until there is one.', [
        [`sum by (break, result) (arena_desk_breaks_total${at})`, '{{break}} {{result}}']], { steps: true }),
    states('Dealing', 'State of live dealing.', [`max by (state) (arena_desk_state${at})`, '{{state}}'], { height: 6 }),
]);

const health = dashboard('health', 'feed and system health', 'Feed, rounds, store, broker, server.', [], [
    stat('Up', 'Arenas that answer.', `sum(up{job="arena",instance=~"$instance"})`),
    stat('Store', 'Whether everything is recorded.', `min(arena_store_recording${at})`, { mappings: { 0: { text: 'STOPPED', color: 'red' }, 1: { text: 'records', color: 'green' } } }),
    stat('Disk left', 'Above the floor at which recording stops.', `min(arena_store_disk_free_bytes${at} - arena_store_disk_floor_bytes${at})`, { unit: 'decbytes' }),
    stat('Feed', 'Whether it has ended.', `max(arena_feed_done${at})`, { mappings: { 0: { text: 'runs' }, 1: { text: 'ended' } } }),
    stat('Gaps', 'Stretches for which quotes may be missing.', `sum(arena_feed_gaps_total${at})`, { bad: 1 }),
    stat('Refused quotes', 'Of all.', `sum(arena_feed_bad_quotes_total${at} or vector(0)) / sum(arena_feed_quotes_total${at})`, { unit: 'percentunit', bad: 0.01 }),
    stat('Behind', 'Wall time less event time of the last round. A replay, and a demo that runs fast, are not on the wall\'s clock.', `max(time() - arena_event_time_seconds${at})`, { unit: 's' }),
    stat('Version', 'Of the program.', `max by (version) (arena_build_info${at})`, { legend: '{{version}}', named: true }),
    row('Feed'),
    lines('Quotes', 'A second.', [
        [`sum(rate(arena_feed_quotes_total${at}[$__rate_interval]))`, 'good'],
        [`sum by (kind) (rate(arena_feed_bad_quotes_total${at}[$__rate_interval]))`, '{{kind}}'],
    ], { width: 8 }),
    lines('Bars closed', 'A minute.', [[`sum by (epic, bar) (rate(arena_bars_closed_total${at}[$__rate_interval])) * 60`, '{{epic}} {{bar}}']], { width: 8 }),
    lines('Age of the last price', 'By market, from IG\'s stream.', [[`arena_ig_price_age_seconds${at}`, '{{epic}}']], { unit: 's', width: 8 }),
    row('Rounds and store'),
    lines('Round', 'Wall time from the arrival of a slice to all reports.', [
        [`histogram_quantile(0.99, sum by (le) (rate(arena_round_duration_seconds_bucket${at}[$__rate_interval])))`, '99 %'],
        [`histogram_quantile(0.5, sum by (le) (rate(arena_round_duration_seconds_bucket${at}[$__rate_interval])))`, 'median'],
        [`max(arena_round_last_duration_seconds${at})`, 'last'],
    ], { unit: 's', width: 8 }),
    lines('Flush of the store', 'Wall time.', [
        [`histogram_quantile(0.99, sum by (le) (rate(arena_store_flush_seconds_bucket${at}[$__rate_interval])))`, '99 %'],
        [`histogram_quantile(0.5, sum by (le) (rate(arena_store_flush_seconds_bucket${at}[$__rate_interval])))`, 'median'],
    ], { unit: 's', width: 8 }),
    lines('Disk', 'Free space, and the floor at which recording stops.', [
        [`arena_store_disk_free_bytes${at}`, 'free'],
        [`arena_store_disk_floor_bytes${at}`, 'floor'],
    ], { unit: 'decbytes', width: 8, dashed: ['floor'] }),
    lines('Entries and rounds', 'A second.', [
        [`sum(rate(arena_store_entries_total${at}[$__rate_interval]))`, 'entries made durable'],
        [`sum(rate(arena_rounds_total${at}[$__rate_interval]))`, 'rounds'],
    ], { width: 8 }),
    row('IG'),
    lines('Stream', '1 while it is connected.', [[`arena_ig_stream_up${at}`, '{{account}}'], [`sum by (how) (arena_ig_stream_reconnects_total${at})`, 'came back {{how}}']], { width: 8, steps: true }),
    lines('Requests to IG', 'Slowest twentieth, by endpoint.', [
        [`histogram_quantile(0.95, sum by (le, endpoint) (rate(arena_ig_request_duration_seconds_bucket${at}[$__rate_interval])))`, '{{endpoint}}']], { unit: 's', width: 8 }),
    lines('Requests by outcome', 'A minute.', [[`sum by (outcome) (rate(arena_ig_request_duration_seconds_count${at}[$__rate_interval])) * 60`, '{{outcome}}']], { width: 8 }),
    lines('Allowance left', 'Of the whole.', [[`arena_ig_allowance_left${at} / arena_ig_allowance_whole${at}`, '{{allowance}}']], { unit: 'percentunit', width: 8 }),
    lines('Account', 'As IG tells it.', [
        [`arena_ig_account_balance${at}`, '{{account}} balance'],
        [`arena_ig_account_available${at}`, '{{account}} available'],
    ], { width: 8 }),
    row('Server'),
    lines('Requests', 'A second, by status.', [[`sum by (code) (rate(arena_http_requests_total${at}[$__rate_interval]))`, '{{code}}']], { width: 8 }),
    lines('Readers and strangers', 'Readers of the event stream; commands without the right token, a minute.', [
        [`sum(arena_http_event_clients${at})`, 'readers'],
        [`sum(rate(arena_http_unauthorized_total${at}[$__rate_interval])) * 60`, 'refused'],
    ], { width: 8 }),
    lines('MLflow', 'Aliases not yet where the live versions are; changes by result.', [
        [`sum(arena_mlflow_aliases_pending${at})`, 'pending'],
        [`sum by (result) (arena_mlflow_alias_changes_total${at})`, '{{result}}'],
    ], { width: 8, steps: true }),
    row('Copy in a database'),
    lines('Database', '1 while the database of [mirror] takes the records; 0 without one.', [[`arena_mirror_up${at}`, '{{instance}}']], { width: 8, steps: true }),
    lines('Lag', 'Since the database last held all that was recorded.', [[`arena_mirror_lag_seconds${at}`, '{{instance}}']], { unit: 's', width: 8 }),
    lines('Rows written', 'A second, by table; and failures.', [
        [`sum by (table) (rate(arena_mirror_rows_total${at}[$__rate_interval]))`, '{{table}}'],
        [`sum(arena_mirror_errors_total${at})`, 'failures'],
        [`sum(arena_mirror_lost_total${at})`, 'deleted before they were copied'],
    ], { width: 8 }),
]);

const evidence = dashboard('evidence', 'promoter evidence', 'How far each candidate is from a right to trade for real, and how near the live ones are to losing it.', ['models', 'top'], [
    stat('Slots free', 'Alpha slots of all budgets that can still be taken.', `sum(arena_promotion_slots{instance=~"$instance",state="free"})`),
    stat('Slots taken', 'Held by a candidate.', `sum(arena_promotion_slots{instance=~"$instance",state="taken"})`),
    stat('Slots spent', 'Free with too little left to be used again.', `sum(arena_promotion_slots{instance=~"$instance",state="spent"})`),
    stat('Nearest', 'The furthest progress of one that is not live.', `max(arena_model_progress_ratio${of} unless on (instance, model) arena_model_state{instance=~"$instance",state="live"})`, { unit: 'percentunit' }),
    stat('Gates missed', 'Least of all candidates.', `min(arena_model_gates_failing${of})`),
    stat('Next decision', 'The earliest that is expected, in event time.', `min(arena_model_decision_seconds${of})`, { unit: 's' }),
    stat('Decay', 'The largest of the live ones; 100 % is an alarm.', `max(arena_model_decay_ratio${of} and on (instance, model) arena_model_state{instance=~"$instance",state="live"})`, { unit: 'percentunit', bad: 0.8 }),
    stat('Trials', 'Candidates ever registered.', `sum(arena_models${at})`),
    lines('Progress to the gate', 'Log wealth over the log of the gate.', [
        [`topk($top, arena_model_progress_ratio${of})`, '{{model}}'],
        [`max(arena_promotion_threshold${at})`, 'gate'],
    ], { unit: 'percentunit', dashed: ['gate'] }),
    lines('Evidence', 'Log10 of the e-value.', [[`topk($top, arena_model_log10_e${of})`, '{{model}}']]),
    lines('Lower bound of the mean', 'R, right at all times at once, at 95 %.', [[ofBest('lcb95_r'), '{{model}}']], { unit: 'suffix: R' }),
    lines('Upper bound of the mean', 'R. Below what is useful, the record retires a candidate.', [[ofBest('ucb95_r'), '{{model}}']], { unit: 'suffix: R' }),
    lines('Gates missed', 'By candidate.', [[ofBest('gates_failing'), '{{model}}']], { steps: true }),
    lines('Deflated Sharpe ratio', 'The probability that it is more than the luck of the best of all trials.', [[ofBest('dsr_ratio'), '{{model}}']], { unit: 'percentunit' }),
    lines('Expected time to a decision', 'At the present rate of trades, in event time.', [[`bottomk($top, arena_model_decision_seconds${of})`, '{{model}}']], { unit: 's' }),
    lines('Detector of decay', 'Over its limit: at 100 % a live candidate is demoted.', [[`topk($top, arena_model_decay_ratio${of})`, '{{model}}']], { unit: 'percentunit' }),
    lines('Drawdown', 'Below the peak now, over [promotion] capital.', [[`topk($top, arena_model_drawdown_ratio${of})`, '{{model}}']], { unit: 'percentunit', steps: true }),
    lines('Alpha slots', 'Of all budgets.', [[`sum by (state) (arena_promotion_slots${at})`, '{{state}}']], { stacked: true, steps: true }),
    states('Live and eligible', 'Who was it, and when.', [`max by (model, state) (arena_model_state{instance=~"$instance",model=~"$model",state=~"live|eligible"})`, '{{model}} {{state}}']),
]);

// The records, asked in SQL: one dashboard for each of both databases, of the same questions.
function records(server, source, quote) {
    const sql = { type: source, uid: '${database}' };
    const ask = (rawSql, format) => ({ refId: 'A', datasource: sql, format, rawQuery: true, editorMode: 'code', rawSql });
    const shown = (made, rawSql, format = 'table') => ({ ...made, datasource: sql, targets: [ask(rawSql, format)] });
    const named = 'model in ($model)';
    const traded = `from trades where $__timeFilter(closed) and ${named}`;
    const sqlLines = (title, description, rawSql, more) => shown(lines(title, description, [], more), rawSql, 'time_series');
    const sqlTable = (title, description, rawSql, { width = WIDTH, height = 9 } = {}) => shown(
        panel('table', title, description, [], width, height, field(undefined, { custom: { align: 'auto', filterable: true } }), { showHeader: true }), rawSql);
    const sqlBars = (title, description, rawSql, more) => {
        const made = shown(bars(title, description, ['', ''], more), rawSql);
        return { ...made, options: { ...made.options, reduceOptions: { calcs: [], fields: '', values: true } } };
    };
    const points = scatter('Predicted against actual', '', ['', 'predicted'], ['', 'actual']);
    const { transformations, ...plain } = points;
    const made = dashboard(`records-${server}`, `records in ${server === 'postgres' ? 'PostgreSQL' : 'MariaDB'}`, 'Every trade, prediction, order and deal, from the copy of the journal in a database.', [], [
        shown(stat('Trades', 'Closed on paper.', ''), `select count(*) as trades ${traded}`),
        shown(stat('Profit', 'Of those.', ''), `select sum(profit) as profit ${traded}`),
        shown(stat('Mean R', 'Of those.', '', { unit: 'suffix: R' }), `select avg(r) as mean_r ${traded}`),
        shown(stat('Won', 'The share with a profit.', '', { unit: 'percentunit' }), `select avg(case when profit > 0 then 1.0 else 0.0 end) as won ${traded}`),
        shown(stat('Predictions', 'Of which it is known what came.', ''), `select count(*) as predictions from predictions where $__timeFilter(${quote('time')}) and y_true is not null and ${named}`),
        shown(stat('Live deals', 'Sent to the broker.', ''), `select count(*) as deals from deals where $__timeFilter(sent) and ${named}`),
        shown(stat('Last trade', 'UTC.', '', { unit: 'dateTimeAsIso', width: 6 }), `select max(closed) as last_trade from trades where ${named}`),
        row('Predicted against actual'),
        { ...shown(plain, `select y_pred as predicted, close_level / open_level as actual ${traded} and y_pred is not null order by closed desc limit 2000`), gridPos: { w: 8, h: 9 }, description: 'One point a trade: exit over entry as predicted and as it came, the market\'s ratio for a short as for a long.' },
        sqlLines('Close level against predicted level', 'Exit level of each trade, as it came and as predicted.', `select closed as ${quote('time')}, close_level, open_level * y_pred as predicted_level ${traded} and y_pred is not null order by closed limit 10000`, { width: 8 }),
        sqlBars('Profit per model', 'Closed paper trades.', `select model, sum(profit) as profit ${traded} group by model order by profit desc limit 50`, { width: 8 }),
        row('Over time'),
        sqlLines('Equity on paper', 'Cumulated R of closed trades.', `select closed as ${quote('time')}, model as metric, sum(r) over (partition by model order by closed, deal_id) as value ${traded} order by closed limit 50000`, { unit: 'suffix: R', steps: true }),
        sqlLines('Prices', 'Mid at the close of each bar.', `select ${quote('end')} as ${quote('time')}, epic as metric, (bid_close + offer_close) / 2 as value from bars where $__timeFilter(${quote('end')}) and bar = (select min(bar) from bars) order by ${quote('end')} limit 50000`),
        row('Records'),
        sqlTable('Trades', 'What was bought for how much and sold at what, newest first.', `select closed, model, ticket, deal_id, epic, direction, size, bought_for, sold_at, profit, r, y_pred, y_true, reason ${traded} order by closed desc limit 500`),
        sqlTable('Predictions', 'Newest first; what came is empty until it is known.', `select ${quote('time')}, model, epic, ${quote('signal')}, acted, y_pred, y_true, distance from predictions where $__timeFilter(${quote('time')}) and ${named} order by ${quote('time')} desc limit 500`, { width: 12 }),
        sqlTable('Live deals', 'From intent to close.', `select sent, model, ticket, deal_id, reference, direction, size, status, open_level, close_level, profit, reason from deals where $__timeFilter(sent) and ${named} order by sent desc limit 500`, { width: 12 }),
        sqlBars('Orders by outcome', 'On paper.', `select outcome, count(*) as orders from orders where $__timeFilter(made) and ${named} group by outcome`, { width: 8 }),
        sqlTable('Lifecycle', 'Who went where, and why.', `select ${quote('time')}, model, ${quote('from')}, ${quote('to')}, reason from lifecycle where $__timeFilter(${quote('time')}) and ${named} order by seq desc limit 500`, { width: 16 }),
        sqlTable('Models and their data', 'Each candidate, its artefact, and the data that it was trained on.', `select m.model, m.ticket, m.version, m.registered, m.artefact, d.name as data, d.sha256, d.${quote('range')} as span from models m left join model_data d on d.seat = m.seat where m.${named} order by m.seat, d.n`),
        sqlTable('Faults', 'Gaps, suspensions and reloads.', `select ${quote('time')}, kind, ${quote('text')} from faults where $__timeFilter(${quote('time')}) order by seq desc limit 500`),
    ]);
    const list = [
        { name: 'database', label: 'Database', type: 'datasource', query: source, refresh: 1 },
        {
            name: 'model', label: 'Models', type: 'query', datasource: sql, query: 'select distinct model from models order by model',
            refresh: 1, sort: 0, multi: true, includeAll: true, current: all,
        },
    ];
    // Wide, because the times are those of the quotes: the embedded market and replays are in the past.
    return { ...made, refresh: '1m', time: { from: 'now-5y', to: 'now' }, templating: { list } };
}
const recordsPostgres = records('postgres', 'grafana-postgresql-datasource', (name) => `"${name}"`);
const recordsMariadb = records('mariadb', 'mysql', (name) => `\`${name}\``);

let stale = 0;
const files = { leaderboard, model, live, health, evidence, 'records-postgres': recordsPostgres, 'records-mariadb': recordsMariadb };
for (const [name, made] of Object.entries(files)) {
    const path = new URL(`grafana/${name}.json`, import.meta.url);
    const text = `${JSON.stringify(made, null, 1)}\n`;
    if (!process.argv.includes('--check')) {
        writeFileSync(path, text);
    } else if (readFileSync(path, 'utf8') !== text) {
        console.error(`dashboards/grafana/${name}.json is not what dashboards/build.mjs writes: run node dashboards/build.mjs`);
        stale = 1;
    }
}
process.exitCode = stale;
