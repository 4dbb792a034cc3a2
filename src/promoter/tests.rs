use super::*;
use crate::config::{PromotionConfig, PromotionMode};

pub(super) fn config() -> PromotionConfig {
    PromotionConfig {
        mode: PromotionMode::Auto,
        live_slots: 1,
        alpha: 0.05,
        alpha_slots: 128,
        slot_first_share: 0.8,
        slot_dead: 1e-6,
        floor_r: 3.0,
        null_edge_r: 0.0,
        cost_stress: 1.25,
        bets: 12,
        lambda_min: 0.01,
        lambda_cap: 0.9,
        min_episodes: 100,
        min_days: 0,
        min_active_days: 0,
        confirm_events: 1,
        ramp: vec![0.25, 0.5, 1.0],
        cooldown_days: 14,
        cooldown_episodes: 50,
        max_reentries: 2,
    }
}
