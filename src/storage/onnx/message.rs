//! The protobuf messages of onnx.proto that the export needs, with the same tags. Fields that the
//! export does not use are left out. By hand, because prost generates messages only with the program
//! protoc and the whole onnx.proto.
#![allow(missing_docs)] // onnx.proto documents them

use prost::Message;

/// TensorProto.DataType.
pub const FLOAT: i32 = 1;
/// TensorProto.DataType.
pub const INT64: i32 = 7;

pub fn tensor(name: &str, data_type: i32, shape: &[usize], raw_data: Vec<u8>) -> Tensor {
    Tensor {
        dims: shape.iter().map(|n| *n as i64).collect(),
        data_type,
        name: name.into(),
        raw_data,
    }
}

/// An input or output of the graph: f32, each dimension a number or a name.
pub fn value(name: &str, shape: &[&str]) -> Value {
    let dimension = |text: &&str| match text.parse() {
        Ok(number) => Dimension {
            dim_value: Some(number),
            dim_param: None,
        },
        Err(_) => Dimension {
            dim_value: None,
            dim_param: Some((*text).into()),
        },
    };
    let shape = Shape {
        dim: shape.iter().map(dimension).collect(),
    };
    let tensor_type = TensorType {
        elem_type: FLOAT,
        shape: Some(shape),
    };
    Value {
        name: name.into(),
        r#type: Some(Type {
            tensor_type: Some(tensor_type),
        }),
    }
}

// AttributeProto.AttributeType: 1 FLOAT, 2 INT, 7 INTS.

pub fn float(name: &str, f: f32) -> Attribute {
    Attribute {
        name: name.into(),
        f: Some(f),
        r#type: 1,
        ..Attribute::default()
    }
}

pub fn int(name: &str, i: i64) -> Attribute {
    Attribute {
        name: name.into(),
        i: Some(i),
        r#type: 2,
        ..Attribute::default()
    }
}

pub fn ints(name: &str, values: &[usize]) -> Attribute {
    Attribute {
        name: name.into(),
        ints: values.iter().map(|n| *n as i64).collect(),
        r#type: 7,
        ..Attribute::default()
    }
}

#[derive(Clone, PartialEq, Message)]
pub struct Model {
    #[prost(int64, tag = 1)]
    pub ir_version: i64,
    #[prost(string, tag = 2)]
    pub producer_name: String,
    #[prost(string, tag = 3)]
    pub producer_version: String,
    #[prost(message, tag = 7)]
    pub graph: Option<Graph>,
    #[prost(message, repeated, tag = 8)]
    pub opset_import: Vec<OperatorSet>,
    #[prost(message, repeated, tag = 14)]
    pub metadata_props: Vec<Property>,
}

#[derive(Clone, PartialEq, Message)]
pub struct OperatorSet {
    #[prost(string, tag = 1)]
    pub domain: String,
    #[prost(int64, tag = 2)]
    pub version: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct Property {
    #[prost(string, tag = 1)]
    pub key: String,
    #[prost(string, tag = 2)]
    pub value: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Graph {
    #[prost(message, repeated, tag = 1)]
    pub node: Vec<Node>,
    #[prost(string, tag = 2)]
    pub name: String,
    #[prost(message, repeated, tag = 5)]
    pub initializer: Vec<Tensor>,
    #[prost(message, repeated, tag = 11)]
    pub input: Vec<Value>,
    #[prost(message, repeated, tag = 12)]
    pub output: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Node {
    #[prost(string, repeated, tag = 1)]
    pub input: Vec<String>,
    #[prost(string, repeated, tag = 2)]
    pub output: Vec<String>,
    #[prost(string, tag = 3)]
    pub name: String,
    #[prost(string, tag = 4)]
    pub op_type: String,
    #[prost(message, repeated, tag = 5)]
    pub attribute: Vec<Attribute>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Attribute {
    #[prost(string, tag = 1)]
    pub name: String,
    #[prost(float, optional, tag = 2)]
    pub f: Option<f32>,
    #[prost(int64, optional, tag = 3)]
    pub i: Option<i64>,
    // onnx.proto is proto2, where repeated numbers are not packed.
    #[prost(int64, repeated, packed = "false", tag = 8)]
    pub ints: Vec<i64>,
    #[prost(int32, tag = 20)]
    pub r#type: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct Tensor {
    #[prost(int64, repeated, packed = "false", tag = 1)]
    pub dims: Vec<i64>,
    #[prost(int32, tag = 2)]
    pub data_type: i32,
    #[prost(string, tag = 8)]
    pub name: String,
    #[prost(bytes = "vec", tag = 9)]
    pub raw_data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Value {
    #[prost(string, tag = 1)]
    pub name: String,
    #[prost(message, tag = 2)]
    pub r#type: Option<Type>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Type {
    #[prost(message, tag = 1)]
    pub tensor_type: Option<TensorType>,
}

#[derive(Clone, PartialEq, Message)]
pub struct TensorType {
    #[prost(int32, tag = 1)]
    pub elem_type: i32,
    #[prost(message, tag = 2)]
    pub shape: Option<Shape>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Shape {
    #[prost(message, repeated, tag = 1)]
    pub dim: Vec<Dimension>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Dimension {
    #[prost(int64, optional, tag = 1)]
    pub dim_value: Option<i64>,
    #[prost(string, optional, tag = 2)]
    pub dim_param: Option<String>,
}
