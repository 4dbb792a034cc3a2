// Proves the dashboards without a Grafana.
//
//   node dashboards/check.mjs schema FOLDER       against Grafana's types, and whether packaging/compose.yml fits what it
//                                                 mounts; FOLDER has schema.json and node_modules
//   node dashboards/check.mjs live FOLDER URL SECONDS
//                                                 every query against the Prometheus at URL, which scrapes a running demo:
//                                                 each has to succeed and, within so many seconds, to find something; and
//                                                 what Grafana's own transformations make of it has to have its columns
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const folder = new URL('grafana/', import.meta.url);
const dashboards = Object.fromEntries(readdirSync(folder).filter((name) => name.endsWith('.json')).sort()
    .map((name) => [name, JSON.parse(readFileSync(new URL(name, folder), 'utf8'))]));

// Queries that a healthy demo may leave empty: `dashboard / panel / legend` or the whole panel, and why.
const MAY_BE_EMPTY = {
    'health.json / Stream': 'the demo asks for its prices in step with its market and keeps no stream',
    'health.json / MLflow / {{result}}': 'the demo has no MLflow',
    'health.json / Rows written / {{table}}': 'the demo has no database',
    'live.json / Breaks': 'in a faultless demo the books never differ',
    'model.json / Abstentions': 'only a candidate with a nearness gate has them, and it may not have traded yet',
};

function checkSchema(folderOfSchema) {
    const where = resolve(folderOfSchema);
    const require = createRequire(`${where}/`);
    const Ajv = require('ajv').default;
    const all = JSON.parse(readFileSync(`${where}/schema.json`, 'utf8'));
    const { dashboard, panels } = all.definitions.Checked.properties;
    // What a panel leaves out has a default; what it has must be what Grafana knows.
    const optional = (schema) => JSON.parse(JSON.stringify(schema), (key, value) => (key === 'required' && Array.isArray(value) ? undefined : value));
    const ajv = new Ajv({ allErrors: true, strict: false });
    const compile = (schema) => ajv.compile({ definitions: all.definitions, ...schema });
    const isDashboard = compile(dashboard);
    const isPart = Object.fromEntries(Object.entries(panels.properties).map(([type, { properties }]) =>
        [type, Object.fromEntries(Object.entries(properties).map(([part, schema]) => [part, compile(optional(schema))]))]));
    const faults = (made) => {
        const found = [];
        const look = (validate, value, at) => {
            if (!validate(value)) found.push(...validate.errors.map((e) => `${at}${e.instancePath}: ${e.message} ${JSON.stringify(e.params)}`));
        };
        look(isDashboard, made, '');
        for (const panel of made.panels.filter(({ type }) => type !== 'row')) {
            const parts = isPart[panel.type];
            if (!parts) {
                found.push(`${panel.title}: dashboards/schema/checked.d.ts has no panel ${panel.type}`);
                continue;
            }
            look(parts.options, panel.options, `${panel.title} options`);
            if (parts.custom) look(parts.custom, panel.fieldConfig.defaults.custom ?? {}, `${panel.title} custom`);
        }
        return found;
    };
    // A check that accepts everything proves nothing: each of these has to be refused.
    const [first] = Object.values(dashboards);
    const changes = {
        'a misspelt key': (d) => { d.tittle = 'Arena'; },
        'a height that is a text': (d) => { d.panels[0].gridPos.h = '4'; },
        'an unknown key of a field': (d) => { d.panels[0].fieldConfig.defaults.units = 's'; },
        'an unknown option of a panel': (d) => { d.panels.find((p) => p.type === 'timeseries').options.legends = {}; },
        'an unknown way to draw': (d) => { d.panels.find((p) => p.type === 'timeseries').fieldConfig.defaults.custom.drawStyle = 'wave'; },
    };
    const wrong = Object.entries(changes).filter(([, change]) => {
        const made = structuredClone(first);
        change(made);
        return faults(made).length === 0;
    }).map(([what]) => `the schema accepts ${what}`);
    const uids = new Set(Object.values(dashboards).map(({ uid }) => uid));
    if (uids.size !== Object.keys(dashboards).length) wrong.push('two dashboards share a uid');
    for (const [name, made] of Object.entries(dashboards)) wrong.push(...faults(made).map((fault) => `${name}: ${fault}`));
    const count = Object.values(dashboards).reduce((sum, { panels: list }) => sum + list.length, 0);
    wrong.push(...checkCompose(require('yaml').parse));
    console.log(`${Object.keys(dashboards).length} dashboards, ${count} panels, ${Object.keys(changes).length} faults that have to be refused`);
    return wrong;
}

// Whether the compose file starts what is here: every folder it mounts is there, what the provisioning asks of the environment
// is set, the home dashboard exists, and its Grafana is of the version whose types were checked.
function checkCompose(parse) {
    const root = new URL('../', import.meta.url);
    const read = (path) => readFileSync(new URL(path, root), 'utf8');
    const { services, volumes } = parse(read('packaging/compose.yml'));
    const wrong = [];
    for (const [name, service] of Object.entries(services)) {
        for (const mount of service.volumes ?? []) {
            const [from] = mount.split(':');
            const isThere = from.startsWith('.') ? existsSync(new URL(from, new URL('packaging/', root))) : from in volumes;
            if (!isThere) wrong.push(`packaging/compose.yml: ${name} mounts ${from}, which does not exist`);
        }
    }
    const { image, environment } = services.grafana;
    const { dependencies } = JSON.parse(read('dashboards/schema/package.json'));
    if (image.split(':')[1] !== dependencies['@grafana/schema']) wrong.push(`packaging/compose.yml: ${image} is not the version of dashboards/schema/package.json`);
    for (const path of ['datasources/arena.yml', 'datasources/arena-sql.yml', 'dashboards/arena.yml'].map((name) => `dashboards/provisioning/${name}`)) {
        const text = read(path);
        if (parse(text).apiVersion !== 1) wrong.push(`${path}: apiVersion is not 1`);
        const wanted = [...text.matchAll(/\$\{(\w+)\}/g)].map(([, variable]) => variable);
        wrong.push(...wanted.filter((variable) => !(variable in environment)).map((variable) => `${path} wants ${variable}, which packaging/compose.yml does not set`));
    }
    const home = environment.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH.replace(environment.ARENA_DASHBOARDS, 'dashboards/grafana');
    if (!existsSync(new URL(home, root))) wrong.push(`packaging/compose.yml: the home dashboard ${home} does not exist`);
    return wrong;
}

async function ask(url, path, parameters) {
    const answer = await fetch(`${url}/api/v1/${path}?${new URLSearchParams(parameters)}`, { signal: AbortSignal.timeout(10_000) });
    const { status, data, error } = await answer.json();
    if (status !== 'success') throw new Error(`${error}`);
    return data;
}

// What Grafana does with a variable of label values.
async function valuesOf(url, variable, known) {
    const [, selector, label] = /^label_values\((.*), (\w+)\)$/.exec(variable.query.query);
    return ask(url, `label/${label}/values`, { 'match[]': filled(selector, known) });
}

function filled(text, known) {
    const out = Object.entries(known).reduce((made, [name, value]) => made.replaceAll(`$${name}`, value), text);
    if (out.includes('$')) throw new Error(`${text} has a variable that nobody fills`);
    return out;
}

async function queriesOf(url, name, made) {
    const known = { __rate_interval: '15s', __interval: '5s', __range: '1h', top: '10' };
    for (const variable of made.templating.list.filter(({ type }) => type === 'query')) {
        const values = await valuesOf(url, variable, known);
        if (values.length === 0) throw new Error(`${name}: ${variable.name} has no values`);
        known[variable.name] = variable.multi ? variable.allValue : values[0];
        if (variable.name === 'model' && !variable.multi) {
            // Whom to look at: a candidate whose predictions were traded with a loss among them, if it can be one with a gate.
            const traded = 'arena_model_predicted_ratio and on (model) arena_model_profit_factor';
            const query = `topk(1, (${traded} and on (model) arena_model_training_abstention_ratio) or (${traded}) - 10)`;
            const [best] = (await ask(url, 'query', { query })).result;
            known.model = JSON.stringify(best?.metric.model ?? values[0]).slice(1, -1);
        }
    }
    return made.panels.flatMap((panel) => (panel.targets ?? []).map((target) => ({
        panel, refId: target.refId, key: `${name} / ${panel.id} / ${target.refId}`, at: `${name} / ${panel.title}`, legend: target.legendFormat ?? '', query: filled(target.expr, known),
    })));
}

async function finds(url, { legend, query }) {
    const { result } = await ask(url, 'query', { query });
    const labels = [...legend.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label);
    if (result.length > 0) {
        const [{ metric }] = result;
        const missing = labels.filter((label) => !(label in metric));
        if (missing.length > 0) throw new Error(`the legend names ${missing}, the series have ${Object.keys(metric)}`);
        if (result.every(({ value: [, value] }) => value === 'NaN')) return false;
    }
    return result.length > 0;
}

// Runs the transformations of panels with Grafana's own code, which wants to be in a browser.
function transformer(where) {
    const require = createRequire(`${where}/`);
    const { window } = new (require('jsdom').JSDOM)('<html><body></body></html>', { url: 'http://localhost/' });
    Object.assign(globalThis, { window });
    for (const name of ['document', 'localStorage', 'location', 'HTMLElement', 'Element', 'Node', 'DOMParser']) globalThis[name] = window[name];
    const data = require('@grafana/data');
    const { firstValueFrom } = require('rxjs');
    const known = new Map(Object.values(data.standardTransformers).map((one) => [one.id, one]));
    data.standardTransformersRegistry.setInit(() => [...known].map(([id, transformation]) => ({ id, name: id, transformation })));
    // An answer as a table, as Grafana's Prometheus source makes it.
    const frame = (refId, result) => data.toDataFrame({
        refId,
        fields: [
            { name: 'Time', type: 'time', values: result.map(({ value: [time] }) => time * 1000) },
            ...[...new Set(result.flatMap(({ metric }) => Object.keys(metric)))].sort()
                .map((label) => ({ name: label, type: 'string', values: result.map(({ metric }) => metric[label]) })),
            { name: `Value #${refId}`, type: 'number', values: result.map(({ value: [, value] }) => Number(value)) },
        ],
    });
    return async (transformations, answers) => {
        const frames = await firstValueFrom(data.transformDataFrame(transformations, answers.map(([refId, result]) => frame(refId, result))));
        return frames.flatMap((one) => one.fields.map((field) => [data.getFieldDisplayName(field, one, frames), [...field.values]]));
    };
}

// Whether a panel with transformations shows the columns that it renames to, filled, and nothing left over.
async function checkColumns(url, queries, transform) {
    const wrong = [];
    for (const panel of new Set(queries.map(({ panel: one }) => one).filter(({ transformations }) => transformations))) {
        const own = queries.filter((query) => query.panel === panel);
        const answers = await Promise.all(own.map(async ({ refId, query }) => [refId, (await ask(url, 'query', { query })).result]));
        if (answers.some(([, result]) => result.length === 0)) {
            wrong.push(`${own[0].at}: nothing to make columns of`);
            continue;
        }
        const columns = await transform(panel.transformations, answers);
        const { renameByName } = panel.transformations.find(({ id }) => id === 'organize').options;
        const filled = columns.filter(([, values]) => values.some((value) => value !== undefined && value !== null)).map(([name]) => name);
        const { x, y } = panel.options.series?.[0] ?? {};
        const wanted = [...Object.values(renameByName), ...[x, y].filter(Boolean).map(({ matcher }) => matcher.options), 'model'];
        wrong.push(...wanted.filter((name) => !filled.includes(name)).map((name) => `${own[0].at}: no column ${name} among ${columns.map(([one]) => one)}`));
        wrong.push(...columns.filter(([name]) => /^(Time|Value)/.test(name)).map(([name]) => `${own[0].at}: ${name} is left over`));
    }
    return wrong;
}

async function checkLive(folderOfModules, url, seconds) {
    const transform = transformer(resolve(folderOfModules));
    const deadline = Date.now() + seconds * 1000;
    // Once is enough: a champion may be demoted while others are still waited for.
    const found = new Set();
    let wrong;
    let total;
    let empty;
    do {
        [wrong, empty, total] = [[], [], 0];
        // What is asked in SQL is run on both databases by tests/mirror.rs.
        for (const [name, made] of Object.entries(dashboards).filter(([file]) => !file.startsWith('records-'))) {
            try {
                const queries = await queriesOf(url, name, made);
                for (const one of queries) {
                    total += 1;
                    if (found.has(one.key)) continue;
                    const may = MAY_BE_EMPTY[one.at] ?? MAY_BE_EMPTY[`${one.at} / ${one.legend}`];
                    try {
                        if (await finds(url, one)) found.add(one.key);
                        else if (may) empty.push(`${one.at} / ${one.legend}: ${may}`);
                        else wrong.push(`${one.at} / ${one.legend}: nothing found by ${one.query}`);
                    } catch (error) {
                        wrong.push(`${one.at} / ${one.legend}: ${error.message} in ${one.query}`);
                    }
                }
                wrong.push(...await checkColumns(url, queries, transform));
            } catch (error) {
                wrong.push(error.message);
            }
        }
        if (wrong.length > 0) await sleep(2000);
    } while (wrong.length > 0 && Date.now() < deadline);
    const titles = new Set(Object.entries(dashboards).flatMap(([name, { panels }]) => panels.map(({ title }) => `${name} / ${title}`)));
    for (const at of Object.keys(MAY_BE_EMPTY)) {
        if (![...titles].some((title) => at === title || at.startsWith(`${title} / `))) wrong.push(`${at} may be empty and does not exist`);
    }
    empty.forEach((line) => console.log(`empty: ${line}`));
    console.log(`${total} queries, ${empty.length} empty as they may be`);
    return wrong;
}

const [what, ...rest] = process.argv.slice(2);
const checks = { schema: () => checkSchema(rest[0]), live: () => checkLive(rest[0], rest[1], Number(rest[2])) };
const wrong = await checks[what]();
wrong.forEach((line) => console.error(line));
process.exitCode = wrong.length === 0 ? 0 : 1;
