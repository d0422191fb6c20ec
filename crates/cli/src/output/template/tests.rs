use super::*;

fn fill(template: &str, data: &str) -> Result<String, FormatError> {
    let data: Json = serde_json::from_str(data).unwrap();
    Format::parse(template)?.execute(&value::any(&data))
}

#[test]
fn what_a_map_lacks_is_no_mistake() {
    let data = r#"{"Actor":{"Attributes":{"image":"b"}},"Labels":{"a":"1"},"List":[1,2]}"#;
    for (template, text) in [
        (
            "{{.Actor.Attributes.image}} {{.Actor.Attributes.exitCode}}",
            "b <no value>",
        ),
        (
            "{{index .Labels \"a\"}}|{{index .Labels \"x\"}}|{{index .List 1}}",
            "1|<no value>|2",
        ),
    ] {
        assert_eq!(fill(template, data), Ok(text.to_owned()));
    }
}

#[test]
fn docker_style_templates_print_what_docker_prints() {
    let data = r#"{"b":{"z":1,"a":[1,2]},"Name":"/web","Ports":{"80/tcp":[{"HostPort":"8080"}]},"N":null}"#;
    for (template, text) in [
        ("{{.Name}}", "/web"),
        ("{{json .b}}", r#"{"a":[1,2],"z":1}"#),
        ("{{json .N}}", "null"),
        (
            "{{range $p, $c := .Ports}}{{$p}}->{{(index $c 0).HostPort}}{{end}}",
            "80/tcp->8080",
        ),
        ("{{join (split .Name \"e\") \"-\"}}", "/w-b"),
        ("{{upper .Name}} {{title \"two words\"}}", "/WEB Two Words"),
        ("{{truncate .Name 2}}|{{pad .Name 1 2}}|", "/w| /web  |"),
        ("{{if .N}}x{{else}}y{{end}} {{println 1}}", "y 1\n"),
        ("{{with index .Ports \"80/tcp\"}}{{len .}}{{end}}", "1"),
        ("{{.b}}", "map[a:[1 2] z:1]"),
        ("{{range $i, $x := .b.a}}{{$i}}={{$x}};{{end}}", "0=1;1=2;"),
        (
            "{{define \"t\"}}<{{.}}>{{end}}{{template \"t\" .Name}}",
            "</web>",
        ),
        (
            "{{print 1 2 \"a\" \"b\"}}|{{printf \"%5d|%-4s|%q\" 3 \"x\" \"y\"}}",
            "1 2ab|    3|x   |\"y\"",
        ),
        (
            "{{with $x := 3}}{{$x}}{{end}}{{range 3}}{{if eq . 1}}{{continue}}{{end}}{{.}}{{end}}",
            "302",
        ),
        (
            "{{slice .Name 1 3}} {{not .N}} {{and .Name 0}} {{or 0 .Name}}",
            "we true 0 /web",
        ),
    ] {
        assert_eq!(fill(template, data).unwrap(), text, "{template}");
    }
}

const CONTAINER: &str = r#"{"Id":"0a80","Name":"/web","State":{"Status":"running","Running":true,"Pid":7,
    "StartedAt":"2026-11-21T00:00:00Z","FinishedAt":"0001-01-01T00:00:00Z"},
    "HostConfig":{"NetworkMode":"bridge","RestartPolicy":{"Name":"no","MaximumRetryCount":0},
    "Ulimits":[{"Name":"nofile","Hard":20,"Soft":10}],"PidsLimit":null,"Init":true},
    "Config":{"Labels":{"a":"b"},"Cmd":["sh","-c"],"Healthcheck":{"Test":["CMD","true"],"Interval":30000000000}},
    "NetworkSettings":{"Ports":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"}]}}}"#;

#[test]
fn structs_print_their_fields_in_order_as_in_go() {
    let json: Json = serde_json::from_str(CONTAINER).unwrap();
    for (template, text) in [
        (
            "{{.State}}",
            "{running true false false false false 7 0  2026-11-21T00:00:00Z 0001-01-01T00:00:00Z <nil>}",
        ),
        ("{{print .State.Health}} {{.State.Health}}", "<nil> <nil>"),
        ("{{.HostConfig.RestartPolicy}}", "{no 0}"),
        (
            "{{printf \"%+v\" .HostConfig.RestartPolicy}}",
            "{Name:no MaximumRetryCount:0}",
        ),
        (
            "{{.HostConfig.Ulimits}} {{.HostConfig.Init}}",
            "[nofile=10:20] true",
        ),
        ("{{.Config.Healthcheck}}", "{[CMD true] 30s 0s 0s 0s 0}"),
        ("{{.NetworkSettings.Ports}}", "map[80/tcp:[{0.0.0.0 8080}]]"),
        ("{{.ID}} {{.ContainerJSONBase.Name}}", "0a80 /web"),
        ("{{len .State}}", "5"),
        (
            "{{join .Config.Cmd \" \"}} {{.HostConfig.NetworkMode.IsHost}}",
            "sh -c false",
        ),
        (
            "{{range $p, $_ := .NetworkSettings.Ports}}{{$p.Port}}{{end}}",
            "80",
        ),
        (
            "{{index .Config.Labels \"x\"}}|{{.Config.Labels.x}}",
            "|<no value>",
        ),
    ] {
        let format = Format::parse(template).unwrap();
        let shown = format.inspect("container.InspectResponse", &json);
        assert_eq!(shown.as_deref(), Ok(text), "{template}");
    }
}

#[test]
fn what_fails_names_the_place_as_go_does() {
    let json: Json = serde_json::from_str(CONTAINER).unwrap();
    for (template, text) in [
        (
            "{{.State.Health.Status}}",
            "template: :1:8: executing \"\" at <.State.Health.Status>: map has no entry for key \"Health\"",
        ),
        (
            "{{.Name.Foo}}",
            "template: :1:7: executing \"\" at <.Name.Foo>: can't evaluate field Foo in type interface {}",
        ),
        (
            "{{index .Config.Cmd 5}}",
            "template: :1:2: executing \"\" at <index .Config.Cmd 5>: error calling index: index out of range: 5",
        ),
        (
            "{{upper .State}}",
            "template: :1:8: executing \"\" at <.State>: wrong type for value; expected string; got map[string]interface {}",
        ),
        (
            "{{join .Name \",\"}}",
            "template: :1:7: executing \"\" at <.Name>: wrong type for value; expected []string; got string",
        ),
        (
            "{{template \"x\"}}",
            "template: :1:11: executing \"\" at <{{template \"x\"}}>: template \"x\" not defined",
        ),
    ] {
        let format = Format::parse(template).unwrap();
        let error = format
            .inspect("container.InspectResponse", &json)
            .unwrap_err();
        assert_eq!(error.to_string(), text, "{template}");
    }
    for (template, text) in [
        ("{{foo}}", "template: :1: function \"foo\" not defined"),
        ("{{$x}}", "template: :1: undefined variable \"$x\""),
        ("{{", "template: :1: unclosed action"),
    ] {
        assert_eq!(Format::parse(template).err().unwrap().to_string(), text);
    }
}
