//! What dockerd 28.5 says about bodies that are not what it wants. The table was asked of
//! a running one.

use corten_api::container::CreateRequest;
use corten_api::json;

#[test]
fn complaints_about_bodies_are_those_of_dockerd() {
    for (body, complaint) in [
        (
            r#"{"Image":"i","HostConfig":{"Memory":"x"}}"#,
            "json: cannot unmarshal string into Go struct field .HostConfig.Memory of type int64",
        ),
        (
            r#"{"Image":"i","HostConfig":{"Binds":[1]}}"#,
            "json: cannot unmarshal number into .HostConfig.Binds.0 of type string",
        ),
        (
            r#"{"Image":"i","HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":80}]}}}"#,
            "json: cannot unmarshal number into Go struct field .HostConfig.PortBindings.80~1tcp.0.HostPort of type string",
        ),
        (
            r#"{"Image":"i","HostConfig":{"Memory":1.5}}"#,
            "json: cannot unmarshal number 1.5 into Go struct field .HostConfig.Memory of type int64",
        ),
        (
            r#"{"Image":"i","HostConfig":[]}"#,
            "json: cannot unmarshal array into Go struct field .HostConfig of type container.HostConfig",
        ),
        (
            r#"{"Image":"i","Labels":{"a":1}}"#,
            "json: cannot unmarshal number into Go struct field .Labels.a of type string",
        ),
        (
            r#"{"Image":"i","Tty":"yes"}"#,
            "json: cannot unmarshal string into Go struct field .Tty of type bool",
        ),
        (
            r#"{"Image":"i","HostConfig":{"BlkioWeight":70000}}"#,
            "json: cannot unmarshal number 70000 into Go struct field .HostConfig.BlkioWeight of type uint16",
        ),
        (
            "[]",
            "json: cannot unmarshal array into Go value of type container.CreateRequest",
        ),
        (
            "{x",
            "invalid character 'x' looking for beginning of object key string",
        ),
        (r#"{"Image" 3}"#, "invalid character '3' after object key"),
        (
            r#"{"Image":3,}"#,
            "invalid character '}' looking for beginning of object key string",
        ),
        (
            r#"{"Image":"a" "b"}"#,
            "invalid character '\"' after object key:value pair",
        ),
        ("[1 2]", "invalid character '2' after array element"),
        ("tru", "unexpected EOF"),
        (
            "trux",
            "invalid character 'x' in literal true (expecting 'e')",
        ),
        ("{\"Image\":\"a\nb\"}", r"invalid character '\n' in string"),
        (
            r#"{"Image":"\q"}"#,
            r"invalid escape sequence `\q` in string",
        ),
        (
            r#"{"Image":01}"#,
            "invalid character '1' after object key:value pair",
        ),
        (r#"{"Image":-}"#, "invalid character '}' in numeric literal"),
        ("}", "invalid character '}' looking for beginning of value"),
        (
            "{'a':1}",
            r"invalid character '\'' looking for beginning of object key string",
        ),
        (
            r#"{"Image":é}"#,
            "invalid character 'é' looking for beginning of value",
        ),
        (r#"{"Image":"a"}x"#, "unexpected content after JSON"),
        ("   ", "EOF"),
    ] {
        let error = json::from_slice::<CreateRequest>(body.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), complaint, "{body}");
    }
}

#[test]
fn any_case_null_and_unknown_fields_are_read_as_go_reads_them() {
    let body = br#"{"image":"i","CMD":"ls","Env":null,"User":null,"Future":{"x":[1]},
        "hostconfig":{"MEMORY":5,"ConsoleSize":[7],"Binds":["a",null],"LogConfig":null}}"#;
    let request: CreateRequest = json::from_slice(body).unwrap();
    assert_eq!(request.config.image, "i");
    assert_eq!(request.config.cmd.unwrap().0, ["ls"]);
    assert_eq!(request.config.env, None);
    assert_eq!(request.host_config.memory, 5);
    assert_eq!(request.host_config.console_size, [7, 0]);
    assert_eq!(request.host_config.binds.unwrap(), ["a", ""]);
}

#[test]
fn a_create_request_survives_its_text() {
    let mut request = CreateRequest::default();
    request.config.image = "i".into();
    request.host_config.memory = 7;
    let text = json::to_vec(&request);
    assert_eq!(json::from_slice::<CreateRequest>(&text).unwrap(), request);
}
