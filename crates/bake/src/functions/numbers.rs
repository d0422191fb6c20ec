//! Numbers and truths.

use super::{Entry, number, text, truth, whole};
use crate::value::Value;

pub(super) const TABLE: &[Entry] = &[
    ("absolute", "num:number", |it| {
        Ok(Value::Number(number(&it[0]).abs()))
    }),
    ("add", "a:number b:number", |it| {
        Ok(Value::Number(number(&it[0]) + number(&it[1])))
    }),
    ("and", "a:bool b:bool", |it| {
        Ok(Value::Bool(truth(&it[0]) && truth(&it[1])))
    }),
    ("ceil", "num:number", |it| {
        Ok(Value::Number(number(&it[0]).ceil()))
    }),
    ("divide", "a:number b:number", |it| match number(&it[1]) {
        0.0 => Err("can't divide by zero".into()),
        by => Ok(Value::Number(number(&it[0]) / by)),
    }),
    ("equal", "a:any? b:any?", |it| {
        Ok(Value::Bool(it[0] == it[1]))
    }),
    ("floor", "num:number", |it| {
        Ok(Value::Number(number(&it[0]).floor()))
    }),
    ("greaterthan", "a:number b:number", |it| {
        Ok(Value::Bool(number(&it[0]) > number(&it[1])))
    }),
    ("greaterthanorequalto", "a:number b:number", |it| {
        Ok(Value::Bool(number(&it[0]) >= number(&it[1])))
    }),
    ("int", "num:number", |it| {
        Ok(Value::Number(number(&it[0]).trunc()))
    }),
    ("lessthan", "a:number b:number", |it| {
        Ok(Value::Bool(number(&it[0]) < number(&it[1])))
    }),
    ("lessthanorequalto", "a:number b:number", |it| {
        Ok(Value::Bool(number(&it[0]) <= number(&it[1])))
    }),
    ("log", "num:number base:number", |it| {
        Ok(Value::Number(number(&it[0]).ln() / number(&it[1]).ln()))
    }),
    ("max", "*numbers:number", |it| {
        let most = it.iter().map(number).reduce(f64::max);
        most.map(Value::Number)
            .ok_or_else(|| "must pass at least one number".into())
    }),
    ("min", "*numbers:number", |it| {
        let least = it.iter().map(number).reduce(f64::min);
        least
            .map(Value::Number)
            .ok_or_else(|| "must pass at least one number".into())
    }),
    ("modulo", "a:number b:number", |it| match number(&it[1]) {
        0.0 => Err("cannot use modulo with zero".into()),
        by => Ok(Value::Number(number(&it[0]) % by)),
    }),
    ("multiply", "a:number b:number", |it| {
        Ok(Value::Number(number(&it[0]) * number(&it[1])))
    }),
    ("negate", "num:number", |it| {
        Ok(Value::Number(-number(&it[0])))
    }),
    ("not", "val:bool", |it| Ok(Value::Bool(!truth(&it[0])))),
    ("notequal", "a:any? b:any?", |it| {
        Ok(Value::Bool(it[0] != it[1]))
    }),
    ("or", "a:bool b:bool", |it| {
        Ok(Value::Bool(truth(&it[0]) || truth(&it[1])))
    }),
    ("parseint", "number:string base:number", |it| {
        let (digits, base) = (text(&it[0]), whole(&it[1])?);
        if !(2..=36).contains(&base) {
            return Err("base must be a whole number between 2 and 62 inclusive".into());
        }
        let read = i64::from_str_radix(digits, base as u32);
        let failed = |_| format!("cannot parse {digits:?} as a base {base} integer");
        read.map(|it| Value::Number(it as f64)).map_err(failed)
    }),
    ("pow", "num:number power:number", |it| {
        Ok(Value::Number(number(&it[0]).powf(number(&it[1]))))
    }),
    ("signum", "num:number", |it| {
        let number = number(&it[0]);
        Ok(Value::Number(if number == 0.0 {
            0.0
        } else {
            number.signum()
        }))
    }),
    ("subtract", "a:number b:number", |it| {
        Ok(Value::Number(number(&it[0]) - number(&it[1])))
    }),
];
