//! A small writer of ONNX graphs.

use prost::Message as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use crate::onnx::proto::{
    Attribute, GraphProto, ModelProto, NodeProto, OperatorSetId, TensorProto, ValueInfo,
};

/// Opset the generated models declare unless told otherwise: what `torch.onnx.export` writes by default.
pub const OPSET: i64 = 17;

/// Collects nodes in order and names their outputs with ascending numbers, as tracing exporters do.
#[derive(Debug)]
pub struct Builder {
    /// Opset of the default domain.
    pub opset: i64,
    graph: GraphProto,
    next: u32,
    rng: ChaCha8Rng,
}

impl Builder {
    /// An empty graph; `first` is the number of the first value.
    #[must_use]
    pub fn new(seed: u64, first: u32) -> Self {
        Self {
            opset: OPSET,
            graph: GraphProto {
                name: "main_graph".into(),
                ..GraphProto::default()
            },
            next: first,
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// A float input of shape `[batch, width]`; `None` is a dynamic batch.
    pub fn input(&mut self, name: &str, batch: Option<i64>, width: usize) -> String {
        self.typed_input(name, crate::onnx::proto::FLOAT, &[batch, Some(as_dim(width))])
    }

    /// An input of any type and shape.
    pub fn typed_input(&mut self, name: &str, elem_type: i32, dims: &[Option<i64>]) -> String {
        self.graph.input.push(ValueInfo::tensor(name, elem_type, dims));
        name.to_owned()
    }

    /// Declares an output.
    pub fn output(&mut self, name: &str, elem_type: i32, dims: &[Option<i64>]) {
        self.graph.output.push(ValueInfo::tensor(name, elem_type, dims));
    }

    /// Adds an initializer.
    pub fn initializer(&mut self, tensor: TensorProto) -> String {
        let name = tensor.name.clone();
        self.graph.initializer.push(tensor);
        name
    }

    /// Adds a node with one output named by the next number.
    pub fn node(&mut self, op: &str, inputs: &[&str], attributes: Vec<Attribute>) -> String {
        let name = self.next.to_string();
        self.next += 1;
        self.node_to(op, inputs, attributes, &name)
    }

    /// Adds a node whose one output has this name.
    pub fn node_to(&mut self, op: &str, inputs: &[&str], attributes: Vec<Attribute>, output: &str) -> String {
        let name = format!("/{op}_{}", self.graph.node.len());
        self.push(NodeProto {
            input: inputs.iter().map(|s| (*s).to_owned()).collect(),
            output: vec![output.to_owned()],
            name,
            op_type: op.to_owned(),
            attribute: attributes,
            ..NodeProto::default()
        });
        output.to_owned()
    }

    /// Adds a node as it is.
    pub fn push(&mut self, node: NodeProto) {
        self.graph.node.push(node);
    }

    /// A `Constant` node holding integers.
    pub fn constant(&mut self, dims: &[i64], values: &[i64]) -> String {
        let value = Attribute::tensor("value", TensorProto::integers("", dims, values));
        self.node("Constant", &[], vec![value])
    }

    /// `count` seeded normal draws times `scale`.
    pub fn draw(&mut self, count: usize, scale: f32) -> Vec<f32> {
        (0..count).map(|_| normal(&mut self.rng) * scale).collect()
    }

    /// A `Gemm` with transposed weights, as PyTorch's `Linear` is exported, drawn from the seed.
    pub fn linear(&mut self, name: &str, x: &str, inputs: usize, outputs: usize) -> String {
        let scale = 1.0 / (inputs as f32).sqrt();
        let weights = self.draw(inputs * outputs, scale);
        let bias = self.draw(outputs, 0.1);
        let w = self.initializer(TensorProto::floats(
            &format!("{name}.weight"),
            &[as_dim(outputs), as_dim(inputs)],
            &weights,
        ));
        let b = self.initializer(TensorProto::floats(
            &format!("{name}.bias"),
            &[as_dim(outputs)],
            &bias,
        ));
        let attributes = vec![
            Attribute::float("alpha", 1.0),
            Attribute::float("beta", 1.0),
            Attribute::int("transB", 1),
        ];
        self.node("Gemm", &[x, &w, &b], attributes)
    }

    /// The finished model.
    #[must_use]
    pub fn model(self) -> ModelProto {
        ModelProto {
            ir_version: 8,
            producer_name: "pytorch".into(),
            producer_version: "2.4.0".into(),
            graph: Some(self.graph),
            opset_import: vec![OperatorSetId {
                domain: String::new(),
                version: self.opset,
            }],
            ..ModelProto::default()
        }
    }

    /// The finished model as file bytes.
    #[must_use]
    pub fn bytes(self) -> Vec<u8> {
        self.model().encode_to_vec()
    }
}

/// A dimension.
///
/// # Panics
/// When it does not fit 63 bits.
#[must_use]
pub fn as_dim(n: usize) -> i64 {
    i64::try_from(n).expect("a dimension of a generated model is small")
}

/// A normal draw: the sum of twelve uniforms minus six, exact enough for weights and free of transcendental functions.
pub fn normal(rng: &mut impl rand::Rng) -> f32 {
    (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0
}
