//! The part of the ONNX file format this system reads and writes, as protobuf messages.
//!
//! Field numbers are those of `onnx.proto` (IR version 10 and later keep them). Fields that are not listed are skipped when
//! reading and lost when writing, which is why the original file is an artifact of its own. All fields the format calls
//! optional with a zero default are plain here; prost limits nesting, so a hostile file cannot exhaust the stack.

#![expect(missing_docs, reason = "the names and meanings are those of onnx.proto")]

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub struct ModelProto {
    #[prost(int64, tag = "1")]
    pub ir_version: i64,
    #[prost(string, tag = "2")]
    pub producer_name: String,
    #[prost(string, tag = "3")]
    pub producer_version: String,
    #[prost(message, optional, tag = "7")]
    pub graph: Option<GraphProto>,
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSetId>,
    #[prost(message, repeated, tag = "20")]
    pub training_info: Vec<TrainingInfo>,
    #[prost(message, repeated, tag = "25")]
    pub functions: Vec<FunctionProto>,
}

#[derive(Clone, PartialEq, Message)]
pub struct OperatorSetId {
    #[prost(string, tag = "1")]
    pub domain: String,
    #[prost(int64, tag = "2")]
    pub version: i64,
}

/// Present only to be refused.
#[derive(Clone, PartialEq, Message)]
pub struct TrainingInfo {}

#[derive(Clone, PartialEq, Message)]
pub struct GraphProto {
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<NodeProto>,
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<TensorProto>,
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "13")]
    pub value_info: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "15")]
    pub sparse_initializer: Vec<SparseTensor>,
}

#[derive(Clone, PartialEq, Message)]
pub struct NodeProto {
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    #[prost(string, tag = "3")]
    pub name: String,
    #[prost(string, tag = "4")]
    pub op_type: String,
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<Attribute>,
    #[prost(string, tag = "7")]
    pub domain: String,
    #[prost(string, tag = "8")]
    pub overload: String,
}

/// A node's attribute. `kind` says which field holds the value: 1 float, 2 int, 3 string, 4 tensor, 5 graph,
/// 6 floats, 7 ints, 8 strings.
#[derive(Clone, PartialEq, Message)]
pub struct Attribute {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(float, tag = "2")]
    pub f: f32,
    #[prost(int64, tag = "3")]
    pub i: i64,
    #[prost(bytes = "vec", tag = "4")]
    pub s: Vec<u8>,
    #[prost(message, optional, tag = "5")]
    pub t: Option<TensorProto>,
    #[prost(message, optional, tag = "6")]
    pub g: Option<GraphProto>,
    #[prost(float, repeated, packed = "false", tag = "7")]
    pub floats: Vec<f32>,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub ints: Vec<i64>,
    #[prost(bytes = "vec", repeated, tag = "9")]
    pub strings: Vec<Vec<u8>>,
    #[prost(message, repeated, tag = "10")]
    pub tensors: Vec<TensorProto>,
    #[prost(message, repeated, tag = "11")]
    pub graphs: Vec<GraphProto>,
    #[prost(int32, tag = "20")]
    pub kind: i32,
    #[prost(string, tag = "21")]
    pub ref_attr_name: String,
    #[prost(message, optional, tag = "22")]
    pub sparse_tensor: Option<SparseTensor>,
    #[prost(message, repeated, tag = "23")]
    pub sparse_tensors: Vec<SparseTensor>,
}

#[derive(Clone, PartialEq, Message)]
pub struct TensorProto {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub data_type: i32,
    #[prost(float, repeated, tag = "4")]
    pub float_data: Vec<f32>,
    #[prost(int32, repeated, tag = "5")]
    pub int32_data: Vec<i32>,
    #[prost(bytes = "vec", repeated, tag = "6")]
    pub string_data: Vec<Vec<u8>>,
    #[prost(int64, repeated, tag = "7")]
    pub int64_data: Vec<i64>,
    #[prost(string, tag = "8")]
    pub name: String,
    #[prost(bytes = "vec", tag = "9")]
    pub raw_data: Vec<u8>,
    #[prost(double, repeated, tag = "10")]
    pub double_data: Vec<f64>,
    #[prost(uint64, repeated, tag = "11")]
    pub uint64_data: Vec<u64>,
    #[prost(message, repeated, tag = "13")]
    pub external_data: Vec<StringPair>,
    /// 1 means the values lie in another file.
    #[prost(int32, tag = "14")]
    pub data_location: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct StringPair {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct SparseTensor {
    #[prost(message, optional, tag = "1")]
    pub values: Option<TensorProto>,
    #[prost(message, optional, tag = "2")]
    pub indices: Option<TensorProto>,
    #[prost(int64, repeated, packed = "false", tag = "3")]
    pub dims: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub struct FunctionProto {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, repeated, tag = "4")]
    pub input: Vec<String>,
    #[prost(string, repeated, tag = "5")]
    pub output: Vec<String>,
    #[prost(string, repeated, tag = "6")]
    pub attribute: Vec<String>,
    #[prost(message, repeated, tag = "7")]
    pub node: Vec<NodeProto>,
    #[prost(message, repeated, tag = "9")]
    pub opset_import: Vec<OperatorSetId>,
    #[prost(string, tag = "10")]
    pub domain: String,
    #[prost(message, repeated, tag = "11")]
    pub attribute_proto: Vec<Attribute>,
    #[prost(message, repeated, tag = "12")]
    pub value_info: Vec<ValueInfo>,
    #[prost(string, tag = "13")]
    pub overload: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct ValueInfo {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<TypeProto>,
}

/// A value's type; everything but a dense tensor leaves `tensor_type` empty.
#[derive(Clone, PartialEq, Message)]
pub struct TypeProto {
    #[prost(message, optional, tag = "1")]
    pub tensor_type: Option<TensorType>,
}

#[derive(Clone, PartialEq, Message)]
pub struct TensorType {
    #[prost(int32, tag = "1")]
    pub elem_type: i32,
    #[prost(message, optional, tag = "2")]
    pub shape: Option<Shape>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Shape {
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<Dim>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Dim {
    #[prost(oneof = "dim::Size", tags = "1, 2")]
    pub size: Option<dim::Size>,
}

/// The size of a dimension.
pub mod dim {
    /// Known or named.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Size {
        /// A fixed number.
        #[prost(int64, tag = "1")]
        Value(i64),
        /// A name: dynamic.
        #[prost(string, tag = "2")]
        Param(String),
    }
}

/// `TensorProto.DataType` of `f32`.
pub const FLOAT: i32 = 1;
/// `TensorProto.DataType` of `i32`.
pub const INT32: i32 = 6;
/// `TensorProto.DataType` of `i64`.
pub const INT64: i32 = 7;
/// `TensorProto.DataType` of `bool`.
pub const BOOL: i32 = 9;
/// `TensorProto.DataType` of `f64`.
pub const DOUBLE: i32 = 11;

impl Attribute {
    /// An int attribute.
    #[must_use]
    pub fn int(name: &str, value: i64) -> Self {
        Self {
            name: name.into(),
            i: value,
            kind: 2,
            ..Self::default()
        }
    }

    /// A float attribute.
    #[must_use]
    pub fn float(name: &str, value: f32) -> Self {
        Self {
            name: name.into(),
            f: value,
            kind: 1,
            ..Self::default()
        }
    }

    /// A list of ints.
    #[must_use]
    pub fn ints(name: &str, values: &[i64]) -> Self {
        Self {
            name: name.into(),
            ints: values.to_vec(),
            kind: 7,
            ..Self::default()
        }
    }

    /// A tensor attribute.
    #[must_use]
    pub fn tensor(name: &str, value: TensorProto) -> Self {
        Self {
            name: name.into(),
            t: Some(value),
            kind: 4,
            ..Self::default()
        }
    }
}

impl TensorProto {
    /// A float tensor, little-endian raw bytes as exporters write it.
    #[must_use]
    pub fn floats(name: &str, dims: &[i64], values: &[f32]) -> Self {
        Self {
            dims: dims.to_vec(),
            data_type: FLOAT,
            name: name.into(),
            raw_data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            ..Self::default()
        }
    }

    /// An int64 tensor.
    #[must_use]
    pub fn integers(name: &str, dims: &[i64], values: &[i64]) -> Self {
        Self {
            dims: dims.to_vec(),
            data_type: INT64,
            name: name.into(),
            raw_data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            ..Self::default()
        }
    }

    /// Number of elements, if the dimensions make sense.
    #[must_use]
    pub fn elements(&self) -> Option<usize> {
        self.dims
            .iter()
            .try_fold(1_usize, |n, d| n.checked_mul(usize::try_from(*d).ok()?))
    }

    /// The values of a float tensor, if it is one and its length is right.
    #[must_use]
    pub fn as_floats(&self) -> Option<Vec<f32>> {
        if self.data_type != FLOAT {
            return None;
        }
        let values = if self.raw_data.is_empty() {
            self.float_data.clone()
        } else {
            let (words, rest) = self.raw_data.as_chunks::<4>();
            if !rest.is_empty() {
                return None;
            }
            words.iter().map(|b| f32::from_le_bytes(*b)).collect()
        };
        (self.elements() == Some(values.len())).then_some(values)
    }

    /// The values of an int64 tensor, if it is one and its length is right.
    #[must_use]
    pub fn as_integers(&self) -> Option<Vec<i64>> {
        if self.data_type != INT64 {
            return None;
        }
        let values = if self.raw_data.is_empty() {
            self.int64_data.clone()
        } else {
            let (words, rest) = self.raw_data.as_chunks::<8>();
            if !rest.is_empty() {
                return None;
            }
            words.iter().map(|b| i64::from_le_bytes(*b)).collect()
        };
        (self.elements() == Some(values.len())).then_some(values)
    }
}

impl ValueInfo {
    /// A dense tensor of this type; `None` is a dynamic dimension called `batch`.
    #[must_use]
    pub fn tensor(name: &str, elem_type: i32, dims: &[Option<i64>]) -> Self {
        let dim = dims
            .iter()
            .map(|d| Dim {
                size: Some(d.map_or_else(|| dim::Size::Param("batch".into()), dim::Size::Value)),
            })
            .collect();
        Self {
            name: name.into(),
            r#type: Some(TypeProto {
                tensor_type: Some(TensorType {
                    elem_type,
                    shape: Some(Shape { dim }),
                }),
            }),
        }
    }

    /// A value of which only the name is given; ONNX Runtime infers the rest.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.into(),
            r#type: None,
        }
    }
}

impl NodeProto {
    /// The attribute of that name.
    #[must_use]
    pub fn attr(&self, name: &str) -> Option<&Attribute> {
        self.attribute.iter().find(|a| a.name == name)
    }

    /// An int attribute or its default.
    #[must_use]
    pub fn attr_int(&self, name: &str, default: i64) -> i64 {
        self.attr(name).map_or(default, |a| a.i)
    }

    /// A float attribute or its default.
    #[must_use]
    pub fn attr_float(&self, name: &str, default: f32) -> f32 {
        self.attr(name).map_or(default, |a| a.f)
    }

    /// How messages call this node: its type and its name, or its first output where it has none.
    #[must_use]
    pub fn label(&self) -> String {
        let name = if self.name.is_empty() {
            self.output.first().map_or("", String::as_str)
        } else {
            &self.name
        };
        format!("{} `{name}`", self.op_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_round_trip_in_both_encodings() {
        let raw = TensorProto::floats("w", &[2, 2], &[1.0, -0.0, f32::MIN_POSITIVE, 4.0]);
        let decoded = TensorProto::decode(raw.encode_to_vec().as_slice()).expect("own bytes");
        assert_eq!(decoded, raw);
        let typed = TensorProto {
            raw_data: Vec::new(),
            float_data: raw.as_floats().expect("floats"),
            ..raw.clone()
        };
        assert_eq!(typed.as_floats(), raw.as_floats());
        assert_eq!(raw.as_integers(), None);
    }

    #[test]
    fn wrong_lengths_and_dimensions_are_no_tensor() {
        let mut tensor = TensorProto::integers("i", &[3], &[1, 2, 3]);
        tensor.dims = vec![4];
        assert_eq!(tensor.as_integers(), None);
        tensor.dims = vec![-3];
        assert_eq!(tensor.as_integers(), None);
        tensor.dims = vec![i64::MAX, i64::MAX];
        assert_eq!(tensor.elements(), None);
    }
}
