//! Plain objects to and from JavaScript, and errors.

use serde::{Serialize, de::DeserializeOwned};
use spkver::{Error, Reason};
use wasm_bindgen::prelude::*;

/// A plain object with the fields of `value`.
pub fn object(value: &impl Serialize) -> JsValue {
    let text = serde_json::to_string(value).expect("plain facts");
    js_sys::JSON::parse(&text).expect("JSON from a library")
}

/// The fields of a plain object; the defaults if there is none. `what` is for the message.
pub fn fields<T: DeserializeOwned + Default>(object: &JsValue, what: &str) -> Result<T, JsError> {
    if object.is_undefined() || object.is_null() {
        return Ok(T::default());
    }
    let text = js_sys::JSON::stringify(object).map(String::from);
    let text = text.map_err(|_| JsError::new(&format!("{what}: not a plain object")))?;
    serde_json::from_str(&text).map_err(|e| JsError::new(&format!("{what}: {e}")))
}

/// An `Error` of JavaScript with the code of the library's.
pub fn thrown(error: Error) -> JsValue {
    coded(&error.to_string(), error.code())
}

/// A recording that is refused, as an `Error` of JavaScript with the reason's code.
pub fn refused(reason: Reason) -> JsValue {
    coded(&format!("{reason}; {}", reason.remedy()), reason.code())
}

/// An `Error` of JavaScript.
pub fn coded(message: &str, code: &str) -> JsValue {
    let error = js_sys::Error::new(message);
    // Fails for frozen objects only.
    let _ = js_sys::Reflect::set(&error, &"code".into(), &code.into());
    error.into()
}
