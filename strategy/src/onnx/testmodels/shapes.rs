//! Good models: every shape an exporter gives that the engine must run.

use contracts::action::ActionKind;

use super::builder::{Builder, as_dim};
use crate::onnx::proto::{Attribute, FLOAT, INT64, TensorProto};

/// What all generated models vary in.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Seed of the weights.
    pub seed: u64,
    /// Inputs per row.
    pub width: usize,
    /// Neurons of the hidden layers.
    pub hidden: Vec<usize>,
    /// Whether the batch dimension is dynamic; otherwise it is fixed at 1.
    pub dynamic: bool,
}

impl Shape {
    /// Two hidden layers of 64, as Stable-Baselines3 makes them, with a dynamic batch.
    #[must_use]
    pub fn new(seed: u64, width: usize) -> Self {
        Self {
            seed,
            width,
            hidden: vec![64, 64],
            dynamic: true,
        }
    }

    /// The same with the batch fixed at 1.
    #[must_use]
    pub fn fixed(mut self) -> Self {
        self.dynamic = false;
        self
    }

    fn batch(&self) -> Option<i64> {
        if self.dynamic { None } else { Some(1) }
    }
}

/// A generated model with what is known about it.
#[derive(Debug, Clone)]
pub struct TestModel {
    /// For messages.
    pub name: &'static str,
    /// The ONNX file.
    pub bytes: Vec<u8>,
    /// What its first fitting output is.
    pub kind: ActionKind,
    /// That output's name.
    pub output: &'static str,
}

/// Hidden layers: Gemm and activation each; gives the last value and its width.
fn hidden(b: &mut Builder, shape: &Shape, prefix: &str, x: &str, activation: &str) -> (String, usize) {
    let (mut x, mut inputs) = (x.to_owned(), shape.width);
    for (i, outputs) in shape.hidden.iter().enumerate() {
        let y = b.linear(&format!("{prefix}.{}", 2 * i), &x, inputs, *outputs);
        x = b.node(activation, &[&y], vec![]);
        inputs = *outputs;
    }
    (x, inputs)
}

/// Value head beside the policy, as actor-critic exports carry it.
fn value_head(b: &mut Builder, shape: &Shape, x: &str, output: &str) {
    let (x, inputs) = hidden(b, shape, "mlp_extractor.value_net", x, "Tanh");
    let value = b.linear("value_net", &x, inputs, 1);
    b.node_to("Identity", &[&value], vec![], output);
    b.output(output, FLOAT, &[shape.batch(), Some(1)]);
}

/// Stable-Baselines3 PPO with a Box action space: outputs `53` (actions), value and log_prob; the observation passes a Cast to its
/// own type and a Flatten, the mean an Expand to its own shape and a Reshape.
#[must_use]
pub fn ppo_continuous(shape: &Shape) -> TestModel {
    let mut b = Builder::new(shape.seed, 20);
    let obs = b.input("onnx::Flatten_0", shape.batch(), shape.width);
    let same = b.node("Cast", &[&obs], vec![Attribute::int("to", i64::from(FLOAT))]);
    let flat = b.node("Flatten", &[&same], vec![Attribute::int("axis", 1)]);
    let (latent, inputs) = hidden(&mut b, shape, "mlp_extractor.policy_net", &flat, "Tanh");
    let mean = b.linear("action_net", &latent, inputs, 1);

    // std = ones_like(mean) × exp(log_std); loc = mean.expand(std.shape)
    let log_std = b.initializer(TensorProto::floats("log_std", &[1], &[-0.5]));
    let mean_shape = b.node("Shape", &[&mean], vec![]);
    let one = Attribute::tensor("value", TensorProto::floats("", &[1], &[1.0]));
    let ones = b.node("ConstantOfShape", &[&mean_shape], vec![one]);
    let exp = b.node("Exp", &[&log_std], vec![]);
    let std = b.node("Mul", &[&ones, &exp], vec![]);
    let std_shape = b.node("Shape", &[&std], vec![]);
    let loc = b.node("Expand", &[&mean, &std_shape], vec![]);

    let target = b.constant(&[2], &[-1, 1]);
    b.node_to("Reshape", &[&loc, &target], vec![], "53");
    b.output("53", FLOAT, &[shape.batch(), Some(1)]);
    value_head(&mut b, shape, &flat, "value");

    // log_prob = Σ −(a − loc)² / (2·std²) − log std, the constant left out
    let difference = b.node("Sub", &["53", &loc], vec![]);
    let square = b.node("Mul", &[&difference, &difference], vec![]);
    let variance = b.node("Mul", &[&std, &std], vec![]);
    let ratio = b.node("Div", &[&square, &variance], vec![]);
    let negative = b.node("Neg", &[&ratio], vec![]);
    let log = b.node("Log", &[&std], vec![]);
    let density = b.node("Sub", &[&negative, &log], vec![]);
    let axes = b.constant(&[1], &[1]);
    b.node_to(
        "ReduceSum",
        &[&density, &axes],
        vec![Attribute::int("keepdims", 0)],
        "log_prob",
    );
    b.output("log_prob", FLOAT, &[shape.batch()]);
    TestModel {
        name: "ppo continuous",
        bytes: b.bytes(),
        kind: ActionKind::Continuous,
        output: "53",
    }
}

/// Stable-Baselines3 PPO with a Discrete(3) action space: logits are normalised by their LogSumExp, turned into probabilities and
/// ArgMax picks the action `53`, an int64 `[n]`; value and log_prob stand beside it.
#[must_use]
pub fn ppo_discrete(shape: &Shape) -> TestModel {
    let mut b = Builder::new(shape.seed, 20);
    let obs = b.input("input", shape.batch(), shape.width);
    let flat = b.node("Flatten", &[&obs], vec![Attribute::int("axis", 1)]);
    let (latent, inputs) = hidden(&mut b, shape, "mlp_extractor.policy_net", &flat, "Tanh");
    let logits = b.linear("action_net", &latent, inputs, 3);
    let keep = || vec![Attribute::ints("axes", &[1]), Attribute::int("keepdims", 1)];
    let total = b.node("ReduceLogSumExp", &[&logits], keep());
    let normalised = b.node("Sub", &[&logits, &total], vec![]);
    let probabilities = b.node("Softmax", &[&normalised], vec![Attribute::int("axis", -1)]);
    let best = b.node(
        "ArgMax",
        &[&probabilities],
        vec![Attribute::int("axis", 1), Attribute::int("keepdims", 0)],
    );
    let target = b.constant(&[1], &[-1]);
    b.node_to("Reshape", &[&best, &target], vec![], "53");
    b.output("53", INT64, &[shape.batch()]);
    value_head(&mut b, shape, &flat, "value");
    let axis = b.constant(&[1], &[1]);
    let column = b.node("Unsqueeze", &["53", &axis], vec![]);
    let chosen = b.node(
        "GatherElements",
        &[&normalised, &column],
        vec![Attribute::int("axis", 1)],
    );
    b.node_to("Squeeze", &[&chosen, &axis], vec![], "log_prob");
    b.output("log_prob", FLOAT, &[shape.batch()]);
    TestModel {
        name: "ppo discrete",
        bytes: b.bytes(),
        kind: ActionKind::Index,
        output: "53",
    }
}

/// Stable-Baselines3 SAC: ReLU layers, mean squashed by Tanh; log_std is computed and clipped beside it.
#[must_use]
pub fn sac(shape: &Shape) -> TestModel {
    let mut b = Builder::new(shape.seed, 10);
    let obs = b.input("observation", shape.batch(), shape.width);
    let flat = b.node("Flatten", &[&obs], vec![]);
    let (latent, inputs) = hidden(&mut b, shape, "latent_pi", &flat, "Relu");
    let mean = b.linear("mu", &latent, inputs, 1);
    let log_std = b.linear("log_std", &latent, inputs, 1);
    let low = b.initializer(TensorProto::floats("low", &[], &[-20.0]));
    let high = b.initializer(TensorProto::floats("high", &[], &[2.0]));
    b.node_to("Tanh", &[&mean], vec![], "action");
    b.output("action", FLOAT, &[shape.batch(), Some(1)]);
    b.node_to("Clip", &[&log_std, &low, &high], vec![], "log_std_out");
    b.output("log_std_out", FLOAT, &[shape.batch(), Some(1)]);
    TestModel {
        name: "sac",
        bytes: b.bytes(),
        kind: ActionKind::Continuous,
        output: "action",
    }
}

/// Three logits, products written as MatMul and Add with the bias first, and a value head: what `tf2onnx` makes of Keras.
#[must_use]
pub fn keras_logits(shape: &Shape) -> TestModel {
    let mut b = Builder::new(shape.seed, 0);
    let (mut x, mut inputs) = (b.input("args_0", shape.batch(), shape.width), shape.width);
    let sizes = shape.hidden.iter().copied().chain([3]);
    for (i, outputs) in sizes.enumerate() {
        // Logistic layers stay near ½ for small weights: wider ones, or every row chooses the same.
        let weights = b.draw(inputs * outputs, 4.0 / (inputs as f32).sqrt());
        let bias = b.draw(outputs, 0.1);
        let dims = [as_dim(inputs), as_dim(outputs)];
        let w = b.initializer(TensorProto::floats(&format!("dense_{i}/kernel"), &dims, &weights));
        let c = b.initializer(TensorProto::floats(&format!("dense_{i}/bias"), &dims[1..], &bias));
        let y = b.node("MatMul", &[&x, &w], vec![]);
        let z = b.node("Add", &[&c, &y], vec![]);
        x = if i < shape.hidden.len() {
            b.node("Sigmoid", &[&z], vec![])
        } else {
            z
        };
        inputs = outputs;
    }
    b.node_to("Identity", &[&x], vec![], "logits");
    b.output("logits", FLOAT, &[shape.batch(), Some(3)]);
    TestModel {
        name: "keras logits",
        bytes: b.bytes(),
        kind: ActionKind::Logits,
        output: "logits",
    }
}

/// A classifier that ends in Softmax, ArgMax with its dimension kept, and a cast to int64 of what is int64 already.
#[must_use]
pub fn softmax_argmax(shape: &Shape) -> TestModel {
    let mut b = Builder::new(shape.seed, 0);
    let obs = b.input("x", shape.batch(), shape.width);
    let (latent, inputs) = hidden(&mut b, shape, "net", &obs, "Relu");
    let logits = b.linear("head", &latent, inputs, 3);
    let log = b.node("LogSoftmax", &[&logits], vec![Attribute::int("axis", 1)]);
    let probabilities = b.node("Exp", &[&log], vec![]);
    let probabilities = b.node("Softmax", &[&probabilities], vec![Attribute::int("axis", 1)]);
    let best = b.node(
        "ArgMax",
        &[&probabilities],
        vec![Attribute::int("axis", -1), Attribute::int("keepdims", 1)],
    );
    b.node_to(
        "Cast",
        &[&best],
        vec![Attribute::int("to", i64::from(INT64))],
        "label",
    );
    b.output("label", INT64, &[shape.batch(), Some(1)]);
    TestModel {
        name: "softmax argmax",
        bytes: b.bytes(),
        kind: ActionKind::Index,
        output: "label",
    }
}

/// Clipped to the action space by Clip and given as `[n]`.
#[must_use]
pub fn clipped_vector(shape: &Shape) -> TestModel {
    let mut b = Builder::new(shape.seed, 0);
    let obs = b.input("obs", shape.batch(), shape.width);
    let (latent, inputs) = hidden(&mut b, shape, "actor", &obs, "Tanh");
    let mean = b.linear("head", &latent, inputs, 1);
    let low = b.node(
        "Constant",
        &[],
        vec![Attribute::tensor("value", TensorProto::floats("", &[], &[-1.0]))],
    );
    let high = b.initializer(TensorProto::floats("one", &[], &[1.0]));
    let clipped = b.node("Clip", &[&mean, &low, &high], vec![]);
    let axis = b.constant(&[1], &[1]);
    b.node_to("Squeeze", &[&clipped, &axis], vec![], "action");
    b.output("action", FLOAT, &[shape.batch()]);
    TestModel {
        name: "clipped vector",
        bytes: b.bytes(),
        kind: ActionKind::Continuous,
        output: "action",
    }
}

/// Every shape that must reduce to a dense chain, with dynamic and with fixed batch.
#[must_use]
pub fn all_dense(seed: u64, width: usize) -> Vec<TestModel> {
    [Shape::new(seed, width), Shape::new(seed + 1, width).fixed()]
        .iter()
        .flat_map(|shape| {
            [
                ppo_continuous(shape),
                ppo_discrete(shape),
                sac(shape),
                keras_logits(shape),
                softmax_argmax(shape),
                clipped_vector(shape),
            ]
        })
        .collect()
}

/// Layer normalisation between the layers.
#[must_use]
pub fn layer_norm(shape: &Shape) -> TestModel {
    let mut b = Builder::new(shape.seed, 0);
    let obs = b.input("obs", shape.batch(), shape.width);
    let (latent, inputs) = hidden(&mut b, shape, "net", &obs, "Relu");
    let gain = b.initializer(TensorProto::floats(
        "ln.weight",
        &[as_dim(inputs)],
        &vec![1.0; inputs],
    ));
    let shift = b.draw(inputs, 0.1);
    let shift = b.initializer(TensorProto::floats("ln.bias", &[as_dim(inputs)], &shift));
    let normalised = b.node(
        "LayerNormalization",
        &[&latent, &gain, &shift],
        vec![Attribute::int("axis", -1), Attribute::float("epsilon", 1e-5)],
    );
    let out = b.linear("head", &normalised, inputs, 1);
    b.node_to("Tanh", &[&out], vec![], "action");
    b.output("action", FLOAT, &[shape.batch(), Some(1)]);
    TestModel {
        name: "layer norm",
        bytes: b.bytes(),
        kind: ActionKind::Continuous,
        output: "action",
    }
}

/// GELU written out with Erf, logits.
#[must_use]
pub fn gelu(shape: &Shape) -> TestModel {
    let mut b = Builder::new(shape.seed, 0);
    let obs = b.input("obs", shape.batch(), shape.width);
    let x = b.linear("in", &obs, shape.width, 32);
    let root = b.initializer(TensorProto::floats("root", &[], &[std::f32::consts::SQRT_2]));
    let one = b.initializer(TensorProto::floats("one", &[], &[1.0]));
    let half = b.initializer(TensorProto::floats("half", &[], &[0.5]));
    let scaled = b.node("Div", &[&x, &root], vec![]);
    let erf = b.node("Erf", &[&scaled], vec![]);
    let above = b.node("Add", &[&erf, &one], vec![]);
    let product = b.node("Mul", &[&x, &above], vec![]);
    let gelu = b.node("Mul", &[&product, &half], vec![]);
    let logits = b.linear("head", &gelu, 32, 3);
    b.node_to("Identity", &[&logits], vec![], "logits");
    b.output("logits", FLOAT, &[shape.batch(), Some(3)]);
    TestModel {
        name: "gelu",
        bytes: b.bytes(),
        kind: ActionKind::Logits,
        output: "logits",
    }
}

/// A one-dimensional convolution over the features; the batch is baked into the Reshape when it is fixed.
#[must_use]
pub fn convolution(shape: &Shape) -> TestModel {
    let mut b = Builder::new(shape.seed, 0);
    let obs = b.input("obs", shape.batch(), shape.width);
    let lead = if shape.dynamic { -1 } else { 1 };
    let signal = b.constant(&[3], &[lead, 1, as_dim(shape.width)]);
    let x = b.node("Reshape", &[&obs, &signal], vec![]);
    let weights = b.draw(4 * 3, 0.5);
    let w = b.initializer(TensorProto::floats("conv.weight", &[4, 1, 3], &weights));
    let x = b.node(
        "Conv",
        &[&x, &w],
        vec![
            Attribute::ints("kernel_shape", &[3]),
            Attribute::ints("pads", &[1, 1]),
        ],
    );
    let x = b.node("Relu", &[&x], vec![]);
    let flat = b.node("Flatten", &[&x], vec![Attribute::int("axis", 1)]);
    let out = b.linear("head", &flat, 4 * shape.width, 1);
    b.node_to("Tanh", &[&out], vec![], "action");
    b.output("action", FLOAT, &[shape.batch(), Some(1)]);
    TestModel {
        name: "convolution",
        bytes: b.bytes(),
        kind: ActionKind::Continuous,
        output: "action",
    }
}

/// Models no dense chain can express: they run in ONNX Runtime.
#[must_use]
pub fn all_general(seed: u64, width: usize) -> Vec<TestModel> {
    [Shape::new(seed, width), Shape::new(seed + 1, width).fixed()]
        .iter()
        .flat_map(|shape| [layer_norm(shape), gelu(shape), convolution(shape)])
        .collect()
}
