//! The serde serializer behind [`super::to_canonical`].

use serde::ser::{self, Serialize};

use super::{JcsError, push_integer, push_number, push_text};

/// Writes one value at the end of `out`.
pub(super) struct Canonical<'a> {
    pub(super) out: &'a mut String,
}

/// An array in progress, with what closes it.
pub(super) struct Array<'a> {
    out: &'a mut String,
    first: bool,
    close: &'static str,
}

impl Array<'_> {
    fn push(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), JcsError> {
        if !std::mem::take(&mut self.first) {
            self.out.push(',');
        }
        value.serialize(Canonical { out: self.out })
    }

    fn close(self) {
        self.out.push_str(self.close);
    }
}

/// An object in progress: members are kept until the end, since only then is their order known.
pub(super) struct Object<'a> {
    out: &'a mut String,
    members: Vec<(Vec<u16>, String)>,
    key: Option<String>,
    close: &'static str,
}

impl Object<'_> {
    fn push(&mut self, key: &str, value: &(impl Serialize + ?Sized)) -> Result<(), JcsError> {
        let mut member = String::new();
        push_text(&mut member, key);
        member.push(':');
        value.serialize(Canonical { out: &mut member })?;
        self.members.push((key.encode_utf16().collect(), member));
        Ok(())
    }

    fn close(mut self) -> Result<(), JcsError> {
        self.members.sort_by(|a, b| a.0.cmp(&b.0));
        if let Some(twice) = self.members.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(JcsError::DuplicateKey(String::from_utf16_lossy(&twice[0].0)));
        }
        self.out.push('{');
        for (n, (_, member)) in self.members.iter().enumerate() {
            if n > 0 {
                self.out.push(',');
            }
            self.out.push_str(member);
        }
        self.out.push('}');
        self.out.push_str(self.close);
        Ok(())
    }
}

impl<'a> Canonical<'a> {
    fn array(self, close: &'static str) -> Array<'a> {
        self.out.push('[');
        Array {
            out: self.out,
            first: true,
            close,
        }
    }

    fn object(self, close: &'static str) -> Object<'a> {
        Object {
            out: self.out,
            members: Vec::new(),
            key: None,
            close,
        }
    }

    /// Opens `{"variant":` of an externally tagged enum.
    fn open_variant(&mut self, variant: &str) {
        self.out.push('{');
        push_text(self.out, variant);
        self.out.push(':');
    }
}

macro_rules! integers {
    ($($method:ident: $kind:ty),* $(,)?) => {$(
        fn $method(self, v: $kind) -> Result<(), JcsError> {
            push_integer(self.out, i128::from(v))
        }
    )*};
}

impl<'a> ser::Serializer for Canonical<'a> {
    type Ok = ();
    type Error = JcsError;
    type SerializeSeq = Array<'a>;
    type SerializeTuple = Array<'a>;
    type SerializeTupleStruct = Array<'a>;
    type SerializeTupleVariant = Array<'a>;
    type SerializeMap = Object<'a>;
    type SerializeStruct = Object<'a>;
    type SerializeStructVariant = Object<'a>;

    integers! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
    }

    fn serialize_bool(self, v: bool) -> Result<(), JcsError> {
        self.out.push_str(if v { "true" } else { "false" });
        Ok(())
    }
    fn serialize_f32(self, v: f32) -> Result<(), JcsError> {
        push_number(self.out, f64::from(v))
    }
    fn serialize_f64(self, v: f64) -> Result<(), JcsError> {
        push_number(self.out, v)
    }
    fn serialize_char(self, v: char) -> Result<(), JcsError> {
        push_text(self.out, v.encode_utf8(&mut [0; 4]));
        Ok(())
    }
    fn serialize_str(self, v: &str) -> Result<(), JcsError> {
        push_text(self.out, v);
        Ok(())
    }
    fn serialize_bytes(self, v: &[u8]) -> Result<(), JcsError> {
        v.serialize(self)
    }
    fn serialize_none(self) -> Result<(), JcsError> {
        self.serialize_unit()
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), JcsError> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<(), JcsError> {
        self.out.push_str("null");
        Ok(())
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), JcsError> {
        self.serialize_unit()
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), JcsError> {
        self.serialize_str(variant)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), JcsError> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), JcsError> {
        self.open_variant(variant);
        value.serialize(Canonical { out: self.out })?;
        self.out.push('}');
        Ok(())
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Array<'a>, JcsError> {
        Ok(self.array("]"))
    }
    fn serialize_tuple(self, _: usize) -> Result<Array<'a>, JcsError> {
        Ok(self.array("]"))
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Array<'a>, JcsError> {
        Ok(self.array("]"))
    }
    fn serialize_tuple_variant(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Array<'a>, JcsError> {
        self.open_variant(variant);
        Ok(self.array("]}"))
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Object<'a>, JcsError> {
        Ok(self.object(""))
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Object<'a>, JcsError> {
        Ok(self.object(""))
    }
    fn serialize_struct_variant(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Object<'a>, JcsError> {
        self.open_variant(variant);
        Ok(self.object("}"))
    }
}

macro_rules! arrays {
    ($($trait:ident::$method:ident),* $(,)?) => {$(
        impl ser::$trait for Array<'_> {
            type Ok = ();
            type Error = JcsError;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), JcsError> {
                self.push(value)
            }
            fn end(self) -> Result<(), JcsError> {
                self.close();
                Ok(())
            }
        }
    )*};
}

arrays! {
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
}

macro_rules! objects {
    ($($trait:ident),*) => {$(
        impl ser::$trait for Object<'_> {
            type Ok = ();
            type Error = JcsError;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), JcsError> {
                self.push(key, value)
            }
            fn end(self) -> Result<(), JcsError> {
                self.close()
            }
        }
    )*};
}

objects!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Object<'_> {
    type Ok = ();
    type Error = JcsError;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), JcsError> {
        // serde_json's rule for keys: texts, characters, unit variants and integers become texts.
        let refused = |what: String| JcsError::KeyNotText(what);
        self.key = Some(
            match serde_json::to_value(key).map_err(|error| refused(error.to_string()))? {
                serde_json::Value::String(text) => text,
                serde_json::Value::Number(number) if !number.is_f64() => number.to_string(),
                other => return Err(refused(other.to_string())),
            },
        );
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), JcsError> {
        let key = self
            .key
            .take()
            .ok_or_else(|| JcsError::Refused("a map gave a value without a key".to_owned()))?;
        self.push(&key, value)
    }
    fn end(self) -> Result<(), JcsError> {
        self.close()
    }
}
