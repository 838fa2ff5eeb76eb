//! Bad input: a clear message, the right exit code, nothing left behind.

use crate::cli_support::{Folder, Run, npy, npy_with_header};
use std::{fs, os::unix::fs::PermissionsExt, os::unix::fs::symlink};

#[test]
fn files_that_are_not_what_they_say() {
    let place = Folder::new();
    let whole = npy("<f4", &[2, 3], &[0; 24]);
    place.write("short.npy", &whole[..whole.len() - 5]);
    place.write("header.npy", &whole[..40]);
    place.write("magic.npy", b"NUMPY what");
    place.write("empty.npy", b"");
    place.write("dict.npy", &npy_with_header("this is no dictionary", &[]));
    place.write("keys.npy", &npy_with_header("{'descr': '<f4', 'shape': (2,), }", &[0; 8]));
    place.write(
        "huge.npy",
        &npy_with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 9223372036854775807), }", &[]),
    );
    place.write("wide.npy", &npy_with_header("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 4611686018427387904, 8), }", &[]));
    place.write("object.npy", &npy("|O", &[1], &[0; 8]));
    place.write("struct.npy", &npy_with_header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", &[0; 4]));
    place.write("text.npy", &npy("<U4", &[1], &[0; 16]));
    fs::create_dir(place.path("folder")).unwrap();
    fs::create_dir(place.path("folder.npy")).unwrap();
    place.write("odd.bin", &[0; 7]);
    let cases: &[(&str, i32, &[&str])] = &[
        ("short.npy", 65, &["short.npy", "24"]),
        ("header.npy", 65, &["header.npy"]),
        ("magic.npy", 65, &["magic.npy"]),
        ("empty.npy", 65, &["empty.npy"]),
        ("dict.npy", 65, &["dict.npy"]),
        ("keys.npy", 65, &["keys.npy", "fortran_order"]),
        ("huge.npy", 65, &["huge.npy"]),
        ("object.npy", 65, &["object.npy", "object"]),
        ("struct.npy", 65, &["struct.npy", "struct"]),
        ("text.npy", 65, &["text.npy"]),
        ("missing.npy", 66, &["missing.npy"]),
        ("folder.npy", 2, &["folder.npy", "directory"]),
        ("odd.bin", 2, &["odd.bin", "?dtype="]),
        ("odd.bin?dtype=f32&shape=-1", 65, &["odd.bin", "7"]),
        ("odd.bin?dtype=what", 2, &["what"]),
        ("wide.npy", 65, &["(0, 4611686018427387904, 8)"]),
        ("data.zarr/group/a", 66, &["there is no Zarr store data.zarr"]),
        ("x.npz", 66, &["x.npz"]),
        ("x.fvecs", 66, &["x.fvecs"]),
        ("x.safetensors#w", 66, &["x.safetensors"]),
        ("s3://bucket/x.npy", 2, &["s3://", "feature `object-store`"]),
        ("shards/*.npy", 66, &["shards/*.npy", "no file"]),
    ];
    for (path, code, parts) in cases {
        for words in [["info", path], ["head", path], ["stats", path]] {
            place.fails(&words, *code, parts);
        }
        place.fails(&["eval", "sum(x)", path], *code, parts);
        place.fails(&["eval", "x + 1", path, "-o", "z.npy"], *code, parts);
    }
}

#[test]
fn files_that_may_not_be_read_or_written() {
    let place = Folder::new();
    place.counting("x.npy", &[2, 3]);
    place.counting("secret.npy", &[2, 3]);
    fs::create_dir(place.path("locked")).unwrap();
    fs::set_permissions(place.path("secret.npy"), fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(place.path("locked"), fs::Permissions::from_mode(0o555)).unwrap();
    // Nothing is forbidden to root.
    if fs::File::open(place.path("secret.npy")).is_err() {
        place.fails(&["eval", "sum(x)", "secret.npy"], 74, &["secret.npy"]);
        place.fails(&["eval", "x + 1", "x.npy", "-o", "locked/z.npy"], 73, &["locked"]);
    }
    place.fails(&["eval", "x + 1", "x.npy", "-o", "nowhere/z.npy"], 73, &["nowhere"]);
    place.fails(&["eval", "x + 1", "x.npy", "-o", "locked"], 73, &["locked"]);
    place.fails(&["eval", "x + 1", "x.npy", "-o", "z.unknown"], 2, &["z.unknown"]);
    place.fails(&["eval", "x + 1", "x.npy", "-o", "z.npz"], 2, &["z.npz", "cannot tell the format", ".safetensors"]);
    place.fails(&["eval", "x + 1", "x.npy", "-o", "."], 73, &["folder"]);
    place.fails(&["eval", "x + 1", "x.npy", "-o", "z.npy", "--report", "nowhere/r.json"], 73, &["nowhere", "--report"]);
    fs::create_dir(place.path("r.json")).unwrap();
    place.fails(&["eval", "x + 1", "x.npy", "-o", "z.npy", "--report", "r.json"], 73, &["r.json", "folder"]);
    fs::set_permissions(place.path("locked"), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn outputs_that_are_inputs_or_outputs() {
    let place = Folder::new();
    place.counting("x.npy", &[2, 3]);
    fs::create_dir(place.path("sub")).unwrap();
    symlink(place.path("x.npy"), place.path("soft.npy")).unwrap();
    fs::hard_link(place.path("x.npy"), place.path("hard.npy")).unwrap();
    for output in ["x.npy", "./x.npy", "sub/../x.npy", "soft.npy", "hard.npy"] {
        place.fails(&["eval", "x + 1", "x.npy", "-o", output, "--overwrite"], 73, &["input"]);
        place.fails(&["eval", "x + 1", "x.npy", "-o", output], 73, &[]);
    }
    place.fails(&["eval", "a = x + 1; b = x + 2", "x.npy", "-o", "a=z.npy", "-o", "b=./z.npy"], 73, &["z.npy"]);
    place.fails(&["eval", "a = x + 1; b = x + 2", "x.npy", "-o", "a=z.npy", "-o", "b=sub/../z.npy"], 73, &["z.npy"]);
}

#[test]
fn messages_say_what_was_written() {
    let place = Folder::new();
    place.counting("x.npy", &[40, 6]);
    let cases: &[(&str, i32, &[&str])] = &[
        ("stack((x, x), axis=None)", 2, &["`stack` takes an axis, not None", "^", "ravel(x)"]),
        ("diff(x, axis=None)", 2, &["`diff` takes an axis, not None"]),
        ("split(x, 2, axis=None)", 2, &["`split` takes an axis"]),
        ("diagonal(x, 0, None, 1)", 2, &["`diagonal` takes an axis"]),
        ("vecdot(x, x, axis=None)", 2, &["`vecdot` takes an axis"]),
        ("shuffle(x, axis=None, seed=1)", 2, &["`shuffle` takes an axis"]),
        ("batch_norm(x, axis=None)", 2, &["`batch_norm` takes an axis"]),
        ("clip([5, 6].astype(u8), 300, None)", 65, &["the integer 300 does not fit u8", "wider dtype"]),
        ("clip([5, 6].astype(i8), None, -129)", 65, &["the integer -129 does not fit i8"]),
        ("pad([1].astype(i8), 1, constant_values=300)", 65, &["300 does not fit i8", "wider dtype"]),
        ("[2] ** [-1]", 65, &["negative integer power -1 at index (0,)", "cast the base or the exponent to a float"]),
        ("2 ** (arange(3) - 1)", 65, &["negative integer power -1 at index (0,)"]),
        (
            "x + x[x > 3]",
            65,
            &["the length of `x[x > 3]` is not known before the data is read (240 at most)", "axis -1 of `x`", "^", "save it first"],
        ),
        ("v = x.ravel(); sum(v + v[v > 3])", 65, &["now that the selected elements are counted", "(240,) and (236,)", "save it first"]),
        ("stack(([1, 2], [1, 2, 3]))", 65, &["array 1 has shape (3,), the first one (2,)", "one shape"]),
        ("bitwise_count([1.5])", 65, &["cast to an integer first"]),
        ("split(x, 7)", 65, &["does not split into 7", "take slices"]),
        ("arange(12).reshape(-2, 6)", 2, &["a length is -2, below 0"]),
        ("[2**63, -1]", 2, &["from -1 to 9223372036854775808, fit neither i64 nor u64"]),
        ("full(2, 2**64)", 65, &["18446744073709551616 does not fit", "no integer dtype"]),
        ("arange(3) + 2**63", 65, &["9223372036854775808 does not fit i64", "cast the array to u64 first"]),
        ("arange(-1, 2**63 + 1)", 65, &["fit neither i64 nor u64"]),
        ("integers((3,), 0, 2**63 + 1, seed=1)", 65, &["do not fit i64", "dtype=u64"]),
        ("bincount(full(2, 2**40))", 78, &["1099511627777 groups; 1099511627776 is the most", "unique(x)"]),
        ("topk(arange(3), 9)", 65, &["topk of 9 elements along axis 0 of shape (3,), which has 3", "take 3 at most"]),
        ("percentile(x, 101)", 2, &["the percentile 101 does not lie from 0 to 100"]),
        ("bincount(arange(3) - 1)", 65, &["label -1 at index (0,) is none of 2 groups", "x[x >= 0]"]),
        ("ptp(zeros((0,)))", 65, &["ptp: ", "has an element"]),
        ("histogram(x, [1])", 65, &["one edge makes no bin"]),
        (";", 2, &["no statements"]),
        ("# nothing", 2, &["no statements"]),
    ];
    for (text, code, parts) in cases {
        place.fails(&["eval", text, "x.npy"], *code, parts);
    }
    let many = format!("zeros(2){}", "[None]".repeat(64));
    place.fails(&["eval", &many, "-o", "nd.npy"], 65, &["65 dimensions, more than 64"]);
    place.fails(&["explain", ";", "x.npy"], 2, &["no statements"]);
}

#[test]
fn expressions_that_make_no_sense() {
    let place = Folder::new();
    place.counting("x.npy", &[3, 100]);
    place.counting("t.npy", &[3]);
    place.counting("a.npy", &[100, 24]);
    place.counting("v.npy", &[100]);
    place.counting("im.npy", &[2, 5, 4, 3]);
    place.counting("g.npy", &[5]);
    place.f32("none.npy", &[0], &[]);
    let cases: &[(&[&str], i32, &[&str])] = &[
        (&["x - t", "x.npy", "t=t.npy"], 65, &["(3, 100)", "(3,)", "t[:, None]"]),
        (&["a + v", "a=a.npy", "v=v.npy"], 65, &["(100, 24)", "(100,)", "v[:, None]"]),
        (&["im * g", "im=im.npy", "g=g.npy"], 65, &["(2, 5, 4, 3)", "g[:, None, None]"]),
        (&["mean(x, axis=2)", "x.npy"], 2, &["axis 2", "^"]),
        (&["meen(x)", "x.npy"], 2, &["meen", "mean"]),
        (&["y + 1", "x.npy"], 2, &["`y`"]),
        (&["x +", "x.npy"], 2, &["^"]),
        (&["(x + 1", "x.npy"], 2, &["^"]),
        (&["x[5]", "x.npy"], 2, &["5"]),
        (&["x[0, 0, 0]", "x.npy"], 2, &["3"]),
        (&["x and 1", "x.npy"], 2, &["&"]),
        (&["min(x)", "x=none.npy"], 65, &["min"]),
        (&["assert x.shape[1] == 99; x.sum()", "x.npy"], 1, &["x.shape[1] == 99"]),
        (&["assert all(x < 299), 'too large'; x.sum()", "x.npy"], 1, &["all(x < 299)", "too large", "2, 99"]),
        (&["assert (x < 299).all()", "x.npy"], 1, &["2, 99"]),
        (&["x.astype(f8)", "x.npy"], 2, &["f64"]),
        // Integers have no negative powers; the element is named.
        (&["i = cast(t, i32) - 2; sum((i + 5) ** i)", "t=t.npy"], 65, &["-2 at index (0,)"]),
        (&["2 ** (cast(t, i64) - 1)", "t=t.npy"], 65, &["-1 at index (0,)"]),
        (&["x + 1", "x.npy"], 2, &[]),
        (&["x", "x.npy", "-o", "y=z.npy"], 2, &["y"]),
        (&["x + 1", "x.npy", "-o", "z=z.npy"], 2, &["z"]),
        (&["x + 1", "x.npy", "t.npy"], 2, &["NAME", "name"]),
        (&["x + 1", "x=x.npy", "x=t.npy"], 2, &["two inputs", "`x`"]),
    ];
    for (words, code, parts) in cases {
        if words[0] == "x + 1" && words.len() == 2 {
            continue;
        }
        let mut all = vec!["eval"];
        all.extend(*words);
        let parts: Vec<&str> = parts.iter().copied().filter(|part| *part != "NAME").collect();
        place.fails(&all, *code, &parts);
    }
}

#[test]
fn a_failing_assert_publishes_nothing() {
    let place = Folder::new();
    place.f32("x.npy", &[2, 2], &[1.0, 2.0, f32::NAN, 4.0]);
    let words = ["eval", "z = x + 1; assert all(isfinite(z))", "x.npy", "-o", "z=z.npy"];
    place.fails(&words, 1, &["all(isfinite(z))"]);
    place.fails(&["eval", "z = x + 1; assert isfinite(z)", "x.npy", "-o", "z=z.npy"], 1, &["isfinite(z)", "1, 0"]);
}

#[test]
fn axis_names_that_disagree() {
    let place = Folder::new();
    let bytes = [0u8; 24];
    place.write("a.bin", &bytes);
    place.write("b.bin", &bytes);
    let words = ["eval", "a + b", "a=a.bin?dtype=f32&shape=2,3&dims=row,dim", "b=b.bin?dtype=f32&shape=2,3&dims=row,time"];
    place.fails(&words, 65, &["dim", "time"]);
}

#[test]
fn large_results_are_refused_before_running() {
    let place = Folder::new();
    place.counting("x.npy", &[100, 100]);
    place.fails(&["eval", "x + 1", "x.npy"], 2, &["(100, 100)", "10,000 elements", "40.0 kB", "-o"]);
}

#[test]
fn flags_that_make_no_sense() {
    let place = Folder::new();
    place.counting("x.npy", &[2, 3]);
    let cases: &[(&[&str], &[&str])] = &[
        (&["--threads", "0"], &["threads"]),
        (&["--threads", "many"], &["many"]),
        (&["--memory", "lots"], &["lots"]),
        (&["--memory", "0"], &["0"]),
        (&["--block", "0"], &["block", "256KiB"]),
        (&["--threads", "abc"], &["--threads abc: the value is not a whole number", "--threads 4"]),
        (&["--sum", "fast"], &["fast", "exact"]),
        (&["--io", "magic"], &["magic", "mmap"]),
        (&["--report", "r.txt"], &["r.txt", "the format follows the extension", "FILE.html"]),
        (&["--report", "r"], &["FILE.json"]),
        (&["--no-such-flag"], &["outcore: error:", "--no-such-flag"]),
    ];
    for (flags, parts) in cases {
        let mut words = vec!["eval", "sum(x)", "x.npy"];
        words.extend(*flags);
        place.fails(&words, 2, parts);
    }
    place.fails(&["evil", "1"], 2, &["outcore: error:", "evil"]);
    // A flag before the statements is no statement, though those may begin with a minus.
    place.fails(&["eval", "--memroy", "1GiB", "-x", "x.npy"], 2, &["--memroy"]);
    place.fails(&["eval", "--memroy=1GiB", "-x", "x.npy"], 2, &["--memroy"]);
    place.fails(&["eval", ""], 2, &["no statements"]);
    place.fails(&["eval", "-f", "-"], 2, &["no statements"]);
    place.fails(&["completions", "cmd"], 2, &["outcore: error:", "cmd"]);
    for (name, value) in
        [("THREADS", "many"), ("THREADS", "0"), ("MEMORY", "lots"), ("SUM", "fast"), ("BLOCK", "0"), ("REPORT", "no/r.json")]
    {
        let name = format!("OUTCORE_{name}");
        let ran = Run::of(place.command(&["eval", "1"]).env(&name, value).output().unwrap());
        assert!(ran.code != 0 && ran.stderr.starts_with("outcore: error:") && ran.stderr.contains(&name), "{}", ran.stderr);
    }
    place.fails(&["stats", "x.npy", "--each"], 2, &["--axis"]);
}

#[test]
fn a_budget_that_cannot_work_names_one_that_does() {
    let place = Folder::new();
    place.counting("x.npy", &[1000, 100]);
    let words = ["eval", "(x - mean(x, 0)) / std(x, 0)", "x.npy", "-o", "z.npy", "--json", "--memory", "1KiB"];
    let ran = place.run(&words);
    assert_eq!(ran.code, 78, "{}", ran.stderr);
    let error: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!((&error["schema"], &error["kind"]), (&"outcore.error/1".into(), &"refused".into()));
    let needed = error["needed_bytes"].as_u64().expect("the smallest budget that works").to_string();
    assert_eq!(place.names(), ["x.npy"]);
    let mut enough = words.to_vec();
    *enough.last_mut().unwrap() = &needed;
    place.ok(&enough);
}

#[test]
fn errors_are_json_when_asked() {
    let place = Folder::new();
    for words in [&["eval", "--json", "1 +"][..], &["--json", "eval", "--threads", "x", "1"], &["--json", "tune"], &["evil", "--json"]] {
        let ran = place.run(words);
        assert_eq!(ran.code, 2);
        let error: serde_json::Value = serde_json::from_str(ran.stderr.trim()).unwrap();
        assert_eq!((&error["schema"], &error["kind"]), (&"outcore.error/1".into(), &"usage".into()));
    }
}

/// A disk with too little space: refused before anything is read. Needs the right to mount.
#[test]
fn a_full_disk() {
    let place = Folder::new();
    place.counting("x.npy", &[1000, 1000]);
    fs::create_dir(place.path("small")).unwrap();
    let mount =
        |words: &[&str]| std::process::Command::new(words[0]).args(&words[1..]).output().is_ok_and(|output| output.status.success());
    let small = place.path("small");
    let small = small.to_str().unwrap();
    if !mount(&["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small]) {
        return;
    }
    let ran = place.run(&["eval", "x + 1", "x.npy", "-o", "small/z.npy"]);
    let left = fs::read_dir(small).unwrap().count();
    mount(&["umount", small]);
    assert_eq!(ran.code, 73, "{}", ran.stderr);
    assert!(ran.stderr.contains("not enough room"), "{}", ran.stderr);
    assert_eq!(left, 0);
}

#[test]
fn lists_that_name_themselves() {
    let place = Folder::new();
    place.counting("x.npy", &[3]);
    place.write("self.txt", b"x.npy\n@self.txt\n");
    place.write("a.txt", b"@b.txt\n");
    place.write("b.txt", b"x.npy\n@./a.txt?dims=i\n");
    let cases: [(&str, &[&str]); 3] = [
        ("@self.txt", &["the list self.txt names itself: self.txt -> self.txt"]),
        ("@a.txt", &["names itself: a.txt -> b.txt -> ./a.txt"]),
        ("@b.txt", &["names itself", "a.txt -> b.txt"]),
    ];
    for (path, parts) in cases {
        for words in [&["eval", "sum(x)", path][..], &["info", path], &["verify", path]] {
            place.fails(words, 65, parts);
        }
    }
    // A list may name others, also twice.
    place.write("inner.txt", b"x.npy\n");
    place.write("outer.txt", b"@inner.txt\nx.npy\n@inner.txt\n");
    assert_eq!(place.ok(&["eval", "sum(x)", "@outer.txt"]), "9.0");
    for depth in 0..40 {
        place.write(&format!("{depth}.txt"), format!("@{}.txt\n", depth + 1).as_bytes());
    }
    place.write("40.txt", b"x.npy\n");
    place.fails(&["eval", "sum(x)", "@0.txt"], 65, &["nested more than 16 deep"]);
}

#[test]
fn words_that_cannot_mean_what_they_say() {
    use std::os::unix::ffi::OsStrExt;
    let place = Folder::new();
    place.counting("x.npy", &[6, 4]);
    let append = &["eval", "x", "x.npy", "-o", "v.fvecs?append=0"][..];
    place.fails(append, 2, &["cannot append to v.fvecs", ".npy files and Zarr arrays"]);
    place.fails(&["eval", "x", "x.npy", "-o", "h.npy?dtype=f16"], 2, &["takes no query `dtype=f16`", "astype"]);
    place.fails(&["convert", "x.npy", "/proc/y.npy"], 73, &["/proc is a folder that takes no files"]);
    place.fails(&["stats", "x.npy", "--state", "."], 73, &["--state .: it is a folder"]);
    for (words, option) in [
        (&["quantize", "x.npy", "q.npy", "--to", "int8", "--dims", "-1"][..], "--dims -1"),
        (&["quantize", "x.npy", "q.npy", "--to", "int8", "--clip", "-1"], "--clip -1"),
        (&["quantize", "x.npy", "q.npy", "--to", "int8", "--dims=-1"], "--dims -1"),
        (&["topk", "x.npy", "-k", "-1"], "-k -1"),
    ] {
        place.fails(words, 2, &[option, "a number below 0"]);
        assert!(!place.run(words).stderr.contains("'--"), "{words:?}");
    }
    place.fails(&["quantize", "x.npy", "q.npy", "--to", "int8", "--scale", "all"], 2, &["--scale all", "row, column, whole"]);
    let name = std::ffi::OsStr::from_bytes(b"odd\xff.npy");
    let ran = Run::of(place.command(&["info"]).arg(name).output().unwrap());
    assert!(ran.code == 2 && ran.stderr.contains("the argument `odd") && ran.stderr.contains("is not UTF-8"), "{}", ran.stderr);
}
