//! The `training` section: the built-in PPO with its settings, or any program.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of the built-in PPO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PpoSection {
    /// Environment steps.
    pub total_timesteps: u64,
    /// Seed of every draw.
    pub seed: u64,
    /// Adam's step size.
    pub learning_rate: f64,
    /// Steps per environment and update.
    pub n_steps: u32,
    /// Rows per gradient step.
    pub batch_size: u32,
    /// Passes over a rollout.
    pub n_epochs: u32,
    /// Discount.
    pub gamma: f64,
    /// λ of generalised advantage estimation.
    pub gae_lambda: f64,
    /// Largest accepted change of the probability ratio.
    pub clip_range: f64,
    /// Weight of the entropy bonus.
    pub ent_coef: f64,
    /// Weight of the value loss.
    pub vf_coef: f64,
    /// Largest norm of a gradient.
    pub max_grad_norm: f64,
    /// Widths of the hidden layers.
    pub net_arch: Vec<u32>,
}

/// The `training` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "trainer", rename_all = "snake_case", deny_unknown_fields)]
pub enum TrainingSection {
    /// The built-in PPO.
    Ppo(PpoSection),
    /// An external program.
    Command {
        /// Program and arguments.
        command: Vec<String>,
        /// Handed to it.
        seed: u64,
    },
}
