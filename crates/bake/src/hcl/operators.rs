//! What operators do with values.

use crate::value::Value;
use hcl_edit::expr::BinaryOperator;

/// Why an operator gives nothing.
#[derive(Debug)]
pub struct Refused {
    /// Whether the left operand is at fault.
    pub left: bool,
    /// What is wrong, if it is not an operand of the wrong kind.
    pub summary: Option<&'static str>,
    /// The reason.
    pub why: String,
}

/// A number, or what would have been required.
pub fn number(value: &Value) -> Result<f64, String> {
    let missing = || match value {
        Value::Text(_) => "a number is required".to_owned(),
        Value::Null => "argument must not be null".to_owned(),
        _ => "number required".to_owned(),
    };
    value.to_number().ok_or_else(missing)
}

/// A truth, or what would have been required.
pub fn truth(value: &Value) -> Result<bool, String> {
    let missing = || match value {
        Value::Text(_) => "a bool is required".to_owned(),
        Value::Null => "argument must not be null".to_owned(),
        _ => "bool required".to_owned(),
    };
    value.to_bool().ok_or_else(missing)
}

/// The value of `left operator right`.
pub fn binary(operator: BinaryOperator, left: &Value, right: &Value) -> Result<Value, Refused> {
    let side = |left: bool| {
        move |why: String| Refused {
            left,
            summary: None,
            why,
        }
    };
    let numbers = || {
        let (a, b) = (
            number(left).map_err(side(true))?,
            number(right).map_err(side(false))?,
        );
        Ok::<_, Refused>((a, b))
    };
    let truths = || {
        let (a, b) = (
            truth(left).map_err(side(true))?,
            truth(right).map_err(side(false))?,
        );
        Ok::<_, Refused>((a, b))
    };
    let divided = |by: f64| match by == 0.0 {
        true => Err(Refused {
            left: false,
            summary: Some("Operation failed"),
            why: "Error during operation: can't divide zero by zero or infinity by infinity."
                .to_owned(),
        }),
        false => Ok(()),
    };
    Ok(match operator {
        BinaryOperator::Eq => Value::Bool(left == right),
        BinaryOperator::NotEq => Value::Bool(left != right),
        BinaryOperator::And => truths().map(|(a, b)| Value::Bool(a && b))?,
        BinaryOperator::Or => truths().map(|(a, b)| Value::Bool(a || b))?,
        BinaryOperator::Less => numbers().map(|(a, b)| Value::Bool(a < b))?,
        BinaryOperator::LessEq => numbers().map(|(a, b)| Value::Bool(a <= b))?,
        BinaryOperator::Greater => numbers().map(|(a, b)| Value::Bool(a > b))?,
        BinaryOperator::GreaterEq => numbers().map(|(a, b)| Value::Bool(a >= b))?,
        BinaryOperator::Plus => numbers().map(|(a, b)| Value::Number(a + b))?,
        BinaryOperator::Minus => numbers().map(|(a, b)| Value::Number(a - b))?,
        BinaryOperator::Mul => numbers().map(|(a, b)| Value::Number(a * b))?,
        BinaryOperator::Div => {
            let (a, b) = numbers()?;
            // Only nothing through nothing is no number: 1 / 0 is one without bound.
            if a == 0.0 {
                divided(b)?;
            }
            Value::Number(a / b)
        }
        BinaryOperator::Mod => {
            let (a, b) = numbers()?;
            divided(b)?;
            Value::Number(a % b)
        }
    })
}
