//! Generalised advantage estimation over one environment's stretch of a rollout.

/// What follows a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Follows {
    /// The next step of the same episode.
    Step,
    /// An episode cut here, or the rollout's end: the value of what would have been seen.
    Cut(f32),
    /// Nothing.
    Nothing,
}

/// Advantages of the steps: Σ (γλ)ᵏ δ over what follows in the episode, δ = reward + γ V(next) − V(this). Their sum with the values is what
/// the critic learns.
///
/// # Panics
/// If the slices are not of one length.
#[must_use]
pub fn advantages(rewards: &[f32], values: &[f32], follows: &[Follows], gamma: f64, lambda: f64) -> Vec<f32> {
    assert!(
        rewards.len() == values.len() && values.len() == follows.len(),
        "one value and one follower per step"
    );
    let mut advantages = vec![0.0; rewards.len()];
    let mut carried = 0.0;
    for at in (0..rewards.len()).rev() {
        let next = match follows[at] {
            Follows::Step => f64::from(values[at + 1]),
            Follows::Cut(value) => f64::from(value),
            Follows::Nothing => 0.0,
        };
        if follows[at] != Follows::Step {
            carried = 0.0;
        }
        let delta = f64::from(rewards[at]) + gamma * next - f64::from(values[at]);
        carried = delta + gamma * lambda * carried;
        advantages[at] = carried as f32;
    }
    advantages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let follows = [Follows::Step, Follows::Nothing, Follows::Step, Follows::Cut(4.0)];
        let found = advantages(&[1.0, 2.0, 3.0, 5.0], &[0.5, 1.0, 2.0, 8.0], &follows, 0.5, 0.5);
        // δ: 1 + 0.5·1 − 0.5 = 1; 2 − 1 = 1; 3 + 0.5·8 − 2 = 5; 5 + 0.5·4 − 8 = −1.
        assert_eq!(found, [1.0 + 0.25, 1.0, 5.0 - 0.25, -1.0]);
    }

    #[test]
    fn lambda_1_is_the_discounted_return_less_the_value() {
        let follows = [Follows::Step, Follows::Step, Follows::Cut(10.0)];
        let found = advantages(&[1.0, 1.0, 1.0], &[7.0, 7.0, 7.0], &follows, 0.9, 1.0);
        let wanted = 1.0 + 0.9 * (1.0 + 0.9 * (1.0 + 0.9 * 10.0)) - 7.0;
        assert!((f64::from(found[0]) - wanted).abs() < 1e-5, "{found:?}");
    }
}
