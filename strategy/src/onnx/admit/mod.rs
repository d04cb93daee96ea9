//! Admission: which ONNX files are read at all. The same for registration and engine.
//!
//! Refused is everything that reads other files, keeps state between rows, draws random numbers, hides a program in a
//! sub-graph, or is larger than a policy has any reason to be. What passes has one float input of the contract's width.

use prost::Message as _;

use super::proto::{Attribute, FLOAT, GraphProto, ModelProto, NodeProto, SparseTensor, TensorProto, dim};
use crate::limits::{IR_VERSION_MAX, MODEL_BYTES_MAX, MODEL_NODES_MAX, OPSET_MAX};

/// Why a file is not admitted. Each message names the place and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdmitError {
    /// A policy is small; this is something else.
    #[error(
        "the model has {bytes} bytes, more than {MODEL_BYTES_MAX}: export the policy without optimizer state or data"
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// No protobuf message of the right kind.
    #[error("the file is not an ONNX model: {detail}")]
    NotOnnx {
        /// What the decoder said.
        detail: String,
    },
    /// More nodes than a policy has.
    #[error("the model has {nodes} nodes, more than {MODEL_NODES_MAX}")]
    TooManyNodes {
        /// Nodes found.
        nodes: usize,
    },
    /// Weights in another file.
    #[error("tensor `{tensor}` keeps its values in another file: save the model with all tensors inside")]
    ExternalData {
        /// Its name.
        tensor: String,
    },
    /// An operator that is not part of ONNX itself.
    #[error("node {node} belongs to domain `{domain}`: export with standard operators (ai.onnx) only")]
    ForeignDomain {
        /// Type and name of the node.
        node: String,
        /// Its domain.
        domain: String,
    },
    /// Model-local functions.
    #[error("the model defines function `{function}`: inline functions before saving")]
    Function {
        /// Its name.
        function: String,
    },
    /// A tensor that says it holds more than a whole model file may.
    #[error(
        "tensor `{tensor}` declares {values} values, more than a file of {MODEL_BYTES_MAX} bytes can hold: save the model with its real weights"
    )]
    GiantTensor {
        /// Its name.
        tensor: String,
        /// The product of its dimensions, or the largest number.
        values: u64,
    },
    /// A tensor with a negative dimension.
    #[error("tensor `{tensor}` has a negative dimension")]
    NegativeDimension {
        /// Its name.
        tensor: String,
    },
    /// Loops, branches, recurrences, random numbers.
    #[error("node {node} {reason}: a policy must be a pure function of one observation")]
    Forbidden {
        /// Type and name of the node.
        node: String,
        /// What is wrong with it.
        reason: Impure,
    },
    /// An attribute that holds a graph.
    #[error("attribute `{attribute}` of node {node} holds a graph: export without control flow")]
    SubGraph {
        /// Type and name of the node.
        node: String,
        /// The attribute.
        attribute: String,
    },
    /// A training graph.
    #[error("the model carries training information: export the inference graph only")]
    Training,
    /// The opset is newer than the pinned ONNX Runtime's, or none is declared.
    #[error(
        "opset {opset} of ai.onnx is not between 1 and {OPSET_MAX}: export with opset_version={OPSET_MAX} or lower"
    )]
    Opset {
        /// The declared version, 0 if none.
        opset: i64,
    },
    /// The format's own version is newer than the pinned ONNX Runtime's.
    #[error("IR version {version} is not between 3 and {IR_VERSION_MAX}: save with an older onnx package")]
    IrVersion {
        /// The declared version.
        version: i64,
    },
    /// Several inputs, or none.
    #[error(
        "the model has the inputs [{inputs}]; exactly one, the observation, is expected: remove states and masks"
    )]
    Inputs {
        /// Their names.
        inputs: String,
    },
    /// The input is no float tensor `[batch, …, width]`.
    #[error(
        "input `{input}` is no float tensor whose shape is [batch, {width}] (dimensions of 1 between them are fine)"
    )]
    InputType {
        /// Its name.
        input: String,
        /// The feature contract's width.
        width: usize,
    },
    /// The input has another width than the feature contract.
    #[error("input `{input}` takes {found} values where the feature contract gives {width}")]
    Width {
        /// Its name.
        input: String,
        /// Its last dimension.
        found: i64,
        /// The feature contract's width.
        width: usize,
    },
    /// A batch fixed at another number than 1.
    #[error("input `{input}` fixes its batch at {batch}: export with batch 1 or a dynamic batch")]
    FixedBatch {
        /// Its name.
        input: String,
        /// The fixed size.
        batch: i64,
    },
    /// Nothing to read an action from.
    #[error("the model has no output")]
    NoOutput,
}

/// Why a node makes a policy more than a function of one observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Impure {
    /// Loop, Scan, If.
    #[error("is control flow")]
    ControlFlow,
    /// RNN, LSTM, GRU.
    #[error("keeps a recurrent state")]
    RecurrentState,
    /// RandomNormal and its like.
    #[error("draws random numbers")]
    RandomNumbers,
    /// Dropout with a switch.
    #[error("can be switched to training, where it draws random numbers")]
    TrainingSwitch,
    /// BatchNormalization in training.
    #[error("gives running statistics as state outputs")]
    StateOutputs,
}

impl AdmitError {
    /// A stable word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "model_too_large",
            Self::NotOnnx { .. } => "not_onnx",
            Self::TooManyNodes { .. } => "too_many_nodes",
            Self::ExternalData { .. } => "external_data",
            Self::ForeignDomain { .. } => "foreign_domain",
            Self::Function { .. } => "model_function",
            Self::GiantTensor { .. } => "giant_tensor",
            Self::NegativeDimension { .. } => "negative_dimension",
            Self::Forbidden { reason, .. } => match reason {
                Impure::ControlFlow => "control_flow",
                Impure::RecurrentState => "recurrent_state",
                Impure::RandomNumbers => "random_numbers",
                Impure::TrainingSwitch => "training_switch",
                Impure::StateOutputs => "state_outputs",
            },
            Self::SubGraph { .. } => "sub_graph",
            Self::Training => "training_graph",
            Self::Opset { .. } => "unsupported_opset",
            Self::IrVersion { .. } => "unsupported_ir_version",
            Self::Inputs { .. } => "wrong_inputs",
            Self::InputType { .. } => "wrong_input_type",
            Self::Width { .. } => "wrong_width",
            Self::FixedBatch { .. } => "fixed_batch",
            Self::NoOutput => "no_output",
        }
    }
}

/// The model's one input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Number of dimensions; all but the first and the last are 1.
    pub rank: usize,
    /// Values per row.
    pub width: usize,
    /// Whether the first dimension is dynamic; otherwise it is 1.
    pub dynamic: bool,
}

impl Input {
    /// The shape at a batch of `rows`.
    #[must_use]
    pub fn dims(&self, rows: usize) -> Vec<usize> {
        let mut dims = vec![1; self.rank];
        dims[0] = rows;
        dims[self.rank - 1] = self.width;
        dims
    }
}

/// A model that passed admission.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// The decoded file.
    pub model: ModelProto,
    /// Its input.
    pub input: Input,
}

impl Admitted {
    /// The graph.
    #[must_use]
    pub fn graph(&self) -> &GraphProto {
        self.model.graph.as_ref().expect("admission requires a graph")
    }
}

/// Reads `bytes` as a policy that takes `width` values.
///
/// # Errors
/// [`AdmitError`], the first reason found.
pub fn admit(bytes: &[u8], width: usize) -> Result<Admitted, AdmitError> {
    if bytes.len() > MODEL_BYTES_MAX {
        return Err(AdmitError::TooLarge { bytes: bytes.len() });
    }
    let not_onnx = |detail: String| AdmitError::NotOnnx { detail };
    let model = ModelProto::decode(bytes).map_err(|error| not_onnx(error.to_string()))?;
    let graph = model
        .graph
        .as_ref()
        .ok_or_else(|| not_onnx("it holds no graph".into()))?;
    versions(&model)?;
    if let Some(function) = model.functions.first() {
        return Err(AdmitError::Function {
            function: format!("{}::{}", function.domain, function.name),
        });
    }
    if !model.training_info.is_empty() {
        return Err(AdmitError::Training);
    }
    if graph.node.len() > MODEL_NODES_MAX {
        return Err(AdmitError::TooManyNodes {
            nodes: graph.node.len(),
        });
    }
    graph.initializer.iter().try_for_each(tensor)?;
    graph.sparse_initializer.iter().try_for_each(sparse)?;
    graph.node.iter().try_for_each(node)?;
    if graph.output.is_empty() {
        return Err(AdmitError::NoOutput);
    }
    let input = input(graph, width)?;
    Ok(Admitted { model, input })
}

/// Whether a domain is that of the standard operators.
pub(crate) fn is_standard(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

fn versions(model: &ModelProto) -> Result<(), AdmitError> {
    let version = model.ir_version;
    if !(3..=IR_VERSION_MAX).contains(&version) {
        return Err(AdmitError::IrVersion { version });
    }
    let standard = model.opset_import.iter().find(|set| is_standard(&set.domain));
    let opset = standard.map_or(0, |set| set.version);
    if !(1..=OPSET_MAX).contains(&opset) {
        return Err(AdmitError::Opset { opset });
    }
    Ok(())
}

fn tensor(tensor: &TensorProto) -> Result<(), AdmitError> {
    if tensor.data_location != 0 || !tensor.external_data.is_empty() {
        return Err(AdmitError::ExternalData {
            tensor: tensor.name.clone(),
        });
    }
    declared(&tensor.name, &tensor.dims)
}

/// Every type has at least four bits a value: a tensor whose dimensions say more than twice the bytes of a file is a trap for whoever
/// makes room before reading.
fn declared(tensor: &str, dims: &[i64]) -> Result<(), AdmitError> {
    let Ok(dims) = dims
        .iter()
        .map(|dim| u64::try_from(*dim))
        .collect::<Result<Vec<u64>, _>>()
    else {
        return Err(AdmitError::NegativeDimension {
            tensor: tensor.to_owned(),
        });
    };
    let values = dims
        .iter()
        .fold(1, |values: u64, dim| values.saturating_mul(*dim));
    if values > 2 * MODEL_BYTES_MAX as u64 {
        return Err(AdmitError::GiantTensor {
            tensor: tensor.to_owned(),
            values,
        });
    }
    Ok(())
}

fn sparse(sparse: &SparseTensor) -> Result<(), AdmitError> {
    let name = sparse.values.as_ref().map_or("", |values| values.name.as_str());
    sparse.values.iter().chain(&sparse.indices).try_for_each(tensor)?;
    declared(name, &sparse.dims)
}

fn node(node: &NodeProto) -> Result<(), AdmitError> {
    if !is_standard(&node.domain) {
        return Err(AdmitError::ForeignDomain {
            node: node.label(),
            domain: node.domain.clone(),
        });
    }
    let forbidden = |reason| AdmitError::Forbidden {
        node: node.label(),
        reason,
    };
    let named = |n: usize| node.output.get(n).is_some_and(|name| !name.is_empty());
    match node.op_type.as_str() {
        "Loop" | "Scan" | "If" | "SequenceMap" => return Err(forbidden(Impure::ControlFlow)),
        "RNN" | "LSTM" | "GRU" => return Err(forbidden(Impure::RecurrentState)),
        "RandomNormal" | "RandomNormalLike" | "RandomUniform" | "RandomUniformLike" | "Multinomial"
        | "Bernoulli" => {
            return Err(forbidden(Impure::RandomNumbers));
        }
        // A third input switches training on at run time; exporters leave it out of inference graphs.
        "Dropout" if node.input.get(2).is_some_and(|name| !name.is_empty()) => {
            return Err(forbidden(Impure::TrainingSwitch));
        }
        "BatchNormalization" if node.attr_int("training_mode", 0) != 0 || (1..5).any(named) => {
            return Err(forbidden(Impure::StateOutputs));
        }
        _ => {}
    }
    node.attribute.iter().try_for_each(|a| attribute(node, a))
}

fn attribute(node: &NodeProto, attribute: &Attribute) -> Result<(), AdmitError> {
    if attribute.g.is_some() || !attribute.graphs.is_empty() {
        return Err(AdmitError::SubGraph {
            node: node.label(),
            attribute: attribute.name.clone(),
        });
    }
    attribute
        .t
        .iter()
        .chain(&attribute.tensors)
        .try_for_each(tensor)?;
    attribute
        .sparse_tensor
        .iter()
        .chain(&attribute.sparse_tensors)
        .try_for_each(sparse)
}

fn input(graph: &GraphProto, width: usize) -> Result<Input, AdmitError> {
    // Before IR version 4 initializers were listed among the inputs.
    let is_weight = |name: &str| {
        graph.initializer.iter().any(|t| t.name == name)
            || graph
                .sparse_initializer
                .iter()
                .any(|t| t.values.as_ref().is_some_and(|v| v.name == name))
    };
    let inputs: Vec<_> = graph
        .input
        .iter()
        .filter(|input| !is_weight(&input.name))
        .collect();
    let [info] = inputs.as_slice() else {
        let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
        return Err(AdmitError::Inputs {
            inputs: names.join(", "),
        });
    };
    let name = info.name.clone();
    let no_tensor = || AdmitError::InputType {
        input: name.clone(),
        width,
    };
    let tensor = info.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
    let tensor = tensor.filter(|t| t.elem_type == FLOAT).ok_or_else(no_tensor)?;
    let dims: Vec<Option<i64>> = tensor
        .shape
        .iter()
        .flat_map(|shape| &shape.dim)
        .map(|d| match &d.size {
            Some(dim::Size::Value(value)) if *value >= 0 => Some(*value),
            _ => None,
        })
        .collect();
    let [batch, between @ .., last] = dims.as_slice() else {
        return Err(no_tensor());
    };
    if between.iter().any(|d| d.is_some_and(|d| d != 1)) {
        return Err(no_tensor());
    }
    let found = last.ok_or_else(no_tensor)?;
    if usize::try_from(found) != Ok(width) {
        return Err(AdmitError::Width {
            input: name,
            found,
            width,
        });
    }
    if let Some(batch) = batch.filter(|batch| *batch != 1) {
        return Err(AdmitError::FixedBatch { input: name, batch });
    }
    Ok(Input {
        name,
        rank: dims.len(),
        width,
        dynamic: batch.is_none(),
    })
}

#[cfg(test)]
mod tests;
