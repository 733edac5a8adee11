//! One flat JSON object. Written by hand: the worker of a phase run must not carry a JSON crate's code and memory.

use std::fmt::Write;

pub struct Object(String);

impl Object {
    pub fn new() -> Self {
        Self(String::from("{"))
    }

    fn key(&mut self, key: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        let _ = write!(self.0, "\"{key}\":");
    }

    /// Names only: nothing that would need escapes is ever passed.
    pub fn name(mut self, key: &str, value: &str) -> Self {
        self.key(key);
        let _ = write!(self.0, "\"{value}\"");
        self
    }

    pub fn number(self, key: &str, value: f64) -> Self {
        self.optional(key, Some(value))
    }

    pub fn count(self, key: &str, value: u64) -> Self {
        self.optional(key, Some(value))
    }

    /// A value that JSON has no word for (NaN) is as good as none.
    pub fn optional<T: ToString + Finite>(mut self, key: &str, value: Option<T>) -> Self {
        self.key(key);
        match value {
            Some(value) if value.is_finite() => self.0.push_str(&value.to_string()),
            _ => self.0.push_str("null"),
        }
        self
    }

    pub fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

pub trait Finite {
    fn is_finite(&self) -> bool;
}

impl Finite for u64 {
    fn is_finite(&self) -> bool {
        true
    }
}

impl Finite for f64 {
    fn is_finite(&self) -> bool {
        f64::is_finite(*self)
    }
}

#[cfg(test)]
mod tests {
    use super::Object;

    #[test]
    fn writes_what_a_parser_reads() {
        let text = Object::new().name("a", "b").count("n", 3).optional::<u64>("none", None).number("x", f64::NAN).end();
        assert_eq!(text, r#"{"a":"b","n":3,"none":null,"x":null}"#);
    }
}
