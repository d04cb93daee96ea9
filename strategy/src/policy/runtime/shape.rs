//! Shapes of a session's input and output, with the batch taken out.

use contracts::action::ActionKind;
use ort::session::Session;
use ort::value::{TensorElementType, ValueType};

use super::OrtError;

/// Dimensions of the input with the batch taken out.
pub(super) struct InputShape {
    pub(super) rank: usize,
    pub(super) width: usize,
    pub(super) dynamic: bool,
}

impl InputShape {
    pub(super) fn of(session: &Session, width: usize) -> Result<Self, OrtError> {
        let refused = || OrtError::Input {
            found: session
                .inputs()
                .iter()
                .map(|input| format!("`{}` {}", input.name(), input.dtype()))
                .collect::<Vec<_>>()
                .join(", "),
            width,
        };
        let [input] = session.inputs() else {
            return Err(refused());
        };
        let ValueType::Tensor {
            ty: TensorElementType::Float32,
            shape,
            ..
        } = input.dtype()
        else {
            return Err(refused());
        };
        let dims: &[i64] = shape;
        let fits = match dims {
            [first, middle @ .., last] => {
                i64::try_from(width) == Ok(*last)
                    && *first <= 1
                    && *first != 0
                    && middle.iter().all(|d| *d == 1 || *d < 0)
            }
            _ => false,
        };
        if !fits || dims.len() < 2 {
            return Err(refused());
        }
        Ok(Self {
            rank: dims.len(),
            width,
            dynamic: dims[0] < 0,
        })
    }

    pub(super) fn at(&self, rows: usize) -> Vec<usize> {
        let mut dims = vec![1; self.rank];
        dims[0] = rows;
        dims[self.rank - 1] = self.width;
        dims
    }
}

/// Dimensions of the output with the batch taken out.
pub(super) struct OutputShape {
    pub(super) rank: usize,
    pub(super) last: usize,
    pub(super) dynamic: bool,
}

impl OutputShape {
    pub(super) fn at(&self, rows: usize) -> Vec<usize> {
        match self.rank {
            1 => vec![rows],
            _ => vec![rows, self.last],
        }
    }
}

/// Shape of the output `name` and whether it is of integers.
pub(super) fn output_shape(
    session: &Session,
    name: &str,
    kind: ActionKind,
) -> Result<(OutputShape, bool), OrtError> {
    let refused = |found: String| OrtError::Output {
        name: name.to_owned(),
        found,
    };
    let output = session
        .outputs()
        .iter()
        .find(|output| output.name() == name)
        .ok_or_else(|| refused("not among the model's outputs".into()))?;
    let found = || refused(output.dtype().to_string());
    let ValueType::Tensor { ty, shape, .. } = output.dtype() else {
        return Err(found());
    };
    let integer = match ty {
        TensorElementType::Float32 => false,
        TensorElementType::Int64 => true,
        _ => return Err(found()),
    };
    let dims: &[i64] = shape;
    let (last, batch) = match (kind, integer, dims) {
        (ActionKind::Continuous, false, [batch] | [batch, 1]) => (1, *batch),
        (ActionKind::Index, true, [batch] | [batch, 1]) => (1, *batch),
        (ActionKind::Logits | ActionKind::Index, false, [batch, 3]) => (3, *batch),
        // A last dimension nobody declared is tried as what the kind needs; a run tells.
        (ActionKind::Continuous, false, [batch, last]) if *last < 0 => (1, *batch),
        (ActionKind::Logits, false, [batch, last]) if *last < 0 => (3, *batch),
        (ActionKind::Index, true, [batch, last]) if *last < 0 => (1, *batch),
        _ => return Err(found()),
    };
    if batch > 1 || batch == 0 {
        return Err(found());
    }
    let shape = OutputShape {
        rank: dims.len(),
        last,
        dynamic: batch < 0,
    };
    Ok((shape, integer))
}
