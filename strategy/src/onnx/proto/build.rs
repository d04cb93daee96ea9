//! Making and reading the messages.

use super::{
    Attribute, Dim, FLOAT, INT64, NodeProto, Shape, TensorProto, TensorType, TypeProto, ValueInfo, dim,
};

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
    use prost::Message as _;

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
