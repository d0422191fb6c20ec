use crate::*;

fn refused(text: &str) -> String {
    Dockerfile::parse(text).unwrap_err().to_string()
}

#[test]
fn a_file_of_many_instructions_is_taken_apart() {
    let text = "# escape=`\nARG V=1\nFROM a:${V} AS One\nRUN echo a `\n  # comment\n  && echo b\nCOPY --from=x --chown=1:2 a b /c/\nRUN <<EOF\nline\nEOF\nCMD [\"a\", \"b\"]\nEXPOSE 80 90/udp\n";
    let file = Dockerfile::parse(text).unwrap();
    assert_eq!(file.directives.escape, '`');
    assert_eq!(file.global_arguments[0].0.value.as_deref(), Some("1"));
    let stage = &file.stages[0];
    assert_eq!(
        (stage.name.as_deref(), stage.base.as_str()),
        (Some("one"), "a:${V}")
    );
    let Instruction::Run(run) = &stage.commands[0].instruction else {
        panic!()
    };
    assert_eq!(run.command.words, ["echo a   && echo b"]);
    assert_eq!(stage.commands[0].location, Location { start: 4, end: 6 });
    let Instruction::Copy(copy) = &stage.commands[1].instruction else {
        panic!()
    };
    assert_eq!((copy.sources.len(), copy.destination.as_str()), (2, "/c/"));
    let Instruction::Run(run) = &stage.commands[2].instruction else {
        panic!()
    };
    assert_eq!(run.heredocs[0].content, "line\n");
    assert_eq!(stage.commands[2].location, Location { start: 8, end: 10 });
    assert_eq!(
        stage.commands[3].instruction,
        Instruction::Cmd(CommandLine {
            words: vec!["a".into(), "b".into()],
            shell: false
        })
    );
}

#[test]
fn faults_are_told_in_buildkits_sentences() {
    for (text, sentence) in [
        ("", "the Dockerfile cannot be empty"),
        ("# only\n", "file with no instructions"),
        ("ARG a=b", "dockerfile contains no stages to build"),
        (
            "FROM a\nfoo",
            "dockerfile parse error on line 2: unknown instruction: foo (did you mean from?)",
        ),
        (
            "FROM a\nCOPY --chown a b",
            "dockerfile parse error on line 2: missing a value on flag: --chown",
        ),
        (
            "FROM a\nHEALTHCHECK --interval=1 CMD x",
            "dockerfile parse error on line 2: time: missing unit in duration \"1\"",
        ),
        (
            "FROM a\nHEALTHCHECK --interval=1us CMD x",
            "dockerfile parse error on line 2: Interval \"interval\" cannot be less than 1ms",
        ),
        (
            "FROM a\nHEALTHCHECK --retries=-1 CMD x",
            "dockerfile parse error on line 2: --retries cannot be negative (-1)",
        ),
        (
            "FROM a\nHEALTHCHECK CMD",
            "dockerfile parse error on line 2: Missing command after HEALTHCHECK CMD",
        ),
        (
            "FROM a\nRUN --network=x true",
            "dockerfile parse error on line 2: invalid network mode \"x\"",
        ),
        (
            "FROM a\nRUN []",
            "failed to marshal LLB definition: arguments are required",
        ),
        (
            "FROM a\nENV a=${b?need b}",
            "Syntax error - can't find = in \"b}\". Must be of the form: name=value",
        ),
        (
            "FROM a\nRUNX b",
            "dockerfile parse error on line 2: unknown instruction: RUNX (did you mean RUN?)",
        ),
        ("RUN a", "no build stage in current context"),
        (
            "FROM a b",
            "dockerfile parse error on line 1: FROM requires either one or three arguments",
        ),
        (
            "FROM a\nCOPY x",
            "dockerfile parse error on line 2: COPY requires at least two arguments, but only one was provided. Destination could not be determined",
        ),
        (
            "FROM a\nRUN --foo=x true",
            "dockerfile parse error on line 2: unknown flag: --foo",
        ),
        (
            "FROM a\nRUN --mount=type=foo true",
            "unsupported mount type \"foo\"",
        ),
        ("FROM a\nENV x", "ENV must have two arguments"),
        ("FROM a\nRUN <<EOF\nx", "unterminated heredoc"),
        (
            "FROM a\nONBUILD FROM x",
            "dockerfile parse error on line 2: FROM isn't allowed as an ONBUILD trigger",
        ),
        (
            "FROM a\nSHELL sh",
            "dockerfile parse error on line 2: SHELL requires the arguments to be in JSON form",
        ),
    ] {
        assert_eq!(refused(text), sentence, "{text:?}");
    }
}

#[test]
fn checks_find_what_docker_finds() {
    let text = "FROM a as Build\nMAINTAINER x\nENV a b\nARG MY_TOKEN\nCMD echo\nCMD echo 2\nEXPOSE 80/TCP\nWORKDIR app\nrun true\n";
    let rules: Vec<&str> = Dockerfile::parse(text)
        .unwrap()
        .warnings
        .iter()
        .map(|it| it.rule.name())
        .collect();
    for rule in [
        "FromAsCasing",
        "StageNameCasing",
        "MaintainerDeprecated",
        "LegacyKeyValueFormat",
        "SecretsUsedInArgOrEnv",
        "MultipleInstructionsDisallowed",
        "JSONArgsRecommended",
        "ExposeProtoCasing",
        "WorkdirRelativePath",
        "ConsistentInstructionCasing",
    ] {
        assert!(rules.contains(&rule), "{rule} in {rules:?}");
    }
    let silent = format!("# check=skip=all\n{text}");
    assert!(Dockerfile::parse(&silent).unwrap().warnings.is_empty());
}

#[test]
fn mounts_of_a_step_are_read() {
    let mount = RunMount::parse("type=cache,target=/c,sharing=locked,id=x,mode=0700").unwrap();
    assert_eq!(
        (mount.kind, mount.sharing, mount.mode),
        (RunMountKind::Cache, CacheSharing::Locked, Some(0o700))
    );
    let mount = RunMount::parse("type=secret,id=t,env=T").unwrap();
    assert_eq!(
        (mount.target.as_str(), mount.env.as_deref()),
        ("", Some("T"))
    );
    assert!(RunMount::parse("type=bind").is_err());
}

proptest::proptest! {
    #[test]
    fn no_text_brings_the_parser_down(text in "(FROM |RUN |COPY |<<E|E\n|\\\\|\n|#|\\$|\\{|\\}|\"|'|[a-z]| ){0,60}") {
        let _ = Dockerfile::parse(&text);
        let shell = words::Shell { escape: '\\', variable: &|_| Some("x".into()), raw_quotes: false, raw_escapes: false };
        let _ = shell.expand(&text);
    }
}

#[test]
fn here_documents_keep_carriage_returns_and_end_without() {
    let text = "FROM a\r\nRUN <<-EOF\r\n\techo a \\\r\n\tEOF\r\nRUN x \\\r\n  y\r\nONBUILD COPY <<E /f\r\nline\r\nE\r\nCMD [\"b\"]\r\n";
    let file = Dockerfile::parse(text).unwrap();
    let commands = &file.stages[0].commands;
    let Instruction::Run(run) = &commands[0].instruction else {
        panic!()
    };
    assert_eq!(run.heredocs[0].content, "echo a \\\r\n");
    assert_eq!(run.heredocs[0].raw, "\techo a \\\r\n");
    assert_eq!(run.command.words, ["<<-EOF"]);
    let Instruction::Run(run) = &commands[1].instruction else {
        panic!()
    };
    assert_eq!(run.command.words, ["x   y"]);
    let Instruction::OnBuild(trigger) = &commands[2].instruction else {
        panic!()
    };
    assert_eq!(trigger, "COPY <<E /f\nline\r\nE");
    let Instruction::Copy(copy) = parse_trigger(trigger).unwrap() else {
        panic!()
    };
    assert_eq!(copy.heredocs[0].content, "line\r\n");
    assert_eq!(commands.len(), 4);
}
