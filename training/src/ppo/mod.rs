//! The built-in trainer: proximal policy optimisation with the conventions of Stable-Baselines3's `MlpPolicy`.
//!
//! Two networks with tanh (actor and critic share nothing), orthogonal initial weights, a normal policy whose standard deviation does not depend on
//! what is seen (or three logits), advantages by GAE and standardised per batch, the clipped surrogate, one gradient norm over both networks, Adam.
//! What an episode's end cuts off is the critic's to say; ruin is not.
//!
//! Nothing here is left to chance or to the machine: draws come from streams named by the seed, the update and the environment, sums run in a
//! fixed order. The same experiment on the same data gives the same bytes, on any CPU, with any number of threads, in one go or resumed.

pub mod checkpoint;
pub mod curve;
pub mod evaluate;
mod gae;
mod head;
mod learner;
mod meet;
pub mod net;
pub mod plan;
mod rollout;
#[cfg(test)]
mod tests;
mod trainer;
mod update;

pub use plan::{Ended, Progress, TrainError, TrainErrorKind, TrainOptions, Trained, TrainingPlan};
pub use trainer::train;
