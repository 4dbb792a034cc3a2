// What is checked: a dashboard, and for each kind of panel in use its options and the part of a field that is its own.
import type { Dashboard } from '@grafana/schema/dist/types/raw/dashboard/x/dashboard_types.gen';
import type * as barGauge from '@grafana/schema/dist/types/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as stateTimeline from '@grafana/schema/dist/types/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/types/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as timeSeries from '@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';
import type * as xyChart from '@grafana/schema/dist/types/raw/composable/xychart/panelcfg/x/XYChartPanelCfg_types.gen';

export interface Checked {
    dashboard: Dashboard;
    panels: {
        bargauge: { options: barGauge.Options };
        stat: { options: stat.Options };
        'state-timeline': { options: stateTimeline.Options; custom: stateTimeline.FieldConfig };
        table: { options: table.Options; custom: table.FieldConfig };
        timeseries: { options: timeSeries.Options; custom: timeSeries.FieldConfig };
        xychart: { options: xyChart.Options; custom: xyChart.FieldConfig };
    };
}
