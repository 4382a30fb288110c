//! `z6 manifest`: what a scheduler is given so that it starts the shards of a run.
//!
//! Prints text; talks to no scheduler. docs/SCALE.md walks through each of them.

use clap::{Args, ValueEnum};
use z6::Overrides;
use z6_events::limits::MAX_SHARDS;
use z6_events::{json_string, printable, printable_lines};

use crate::args::ScenarioArg;
use crate::console;
use crate::exit::{Exit, UsageError};

/// `z6 manifest`.
#[derive(Debug, Args)]
pub(crate) struct ManifestArgs {
    /// What starts the shards.
    #[arg(value_enum, value_name = "SCHEDULER")]
    scheduler: SchedulerArg,
    #[command(flatten)]
    scenario: ScenarioArg,
    /// How many shards the run has.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_SHARDS)))]
    shards: u16,
    /// Seed of all random choices.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The container image of Z6, for Kubernetes.
    #[arg(long, value_name = "NAME", default_value = "localhost/z6:latest")]
    image: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SchedulerArg {
    /// A Job with indexes, and what it needs.
    Kubernetes,
    /// A script for sbatch.
    Slurm,
    /// A script that runs GNU parallel.
    Parallel,
    /// A script that starts the shards over ssh.
    Ssh,
}

/// The port at which shard 0 listens in what is printed.
const PORT: u16 = 7600;
/// A Kubernetes object holds at most 1 MiB; this leaves room for the rest of it.
const CONFIG_MAP_BYTES_MAX: usize = 900_000;

pub(super) fn manifest(args: &ManifestArgs) -> anyhow::Result<Exit> {
    let source = super::source(&args.scenario.path)?;
    let overrides = Overrides { seed: args.seed, ..Overrides::default() };
    let loaded = source.load(&overrides)?;
    console::findings(&loaded.warnings, source.name(), source.text());
    let scenario = &loaded.scenario;
    if args.shards > 1 && scenario.runtime.prng_seed.is_none() {
        return Err(z6::Error::ShardSeed.into());
    }
    let workers = match scenario.runtime.workers {
        z6_scenario::Workers::Fixed(workers) => workers,
        z6_scenario::Workers::Auto => 1,
    };
    if let Err(findings) = scenario.check_shares(args.shards, workers) {
        let (name, text) = (source.name().to_owned(), source.text().to_owned());
        return Err(z6::Error::Scenario { name, text, diagnostics: findings }.into());
    }
    let path = args.scenario.path.to_str().filter(|path| *path != "-" && printable(path) == *path);
    let path = path.ok_or_else(|| {
        let text = "the shards read the scenario from a file, whose name has no hidden characters";
        UsageError(text.to_owned())
    })?;
    let options = args.seed.map_or_else(String::new, |seed| format!(" --seed {seed}"));
    let part = Part { shards: args.shards, path, options };
    let text = match args.scheduler {
        SchedulerArg::Kubernetes => {
            if let Some(reason) = not_in_config_map(scenario, source.text()) {
                return Err(UsageError(reason).into());
            }
            kubernetes(&part, source.text(), &args.image)
        }
        SchedulerArg::Slurm => slurm(&part),
        SchedulerArg::Parallel => parallel(&part),
        SchedulerArg::Ssh => ssh(&part),
    };
    console::results(&text)?;
    Ok(Exit::Success)
}

/// What all of them are made of.
struct Part<'a> {
    shards: u16,
    path: &'a str,
    /// Options that all shards are given.
    options: String,
}

/// A word of a shell.
fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./=:".contains(&byte);
    match !text.is_empty() && text.bytes().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// Why a pod would lack something.
fn not_in_config_map(scenario: &z6_scenario::Scenario, text: &str) -> Option<String> {
    let mut bodies = scenario.requests.iter().filter_map(|request| request.body.as_ref());
    let body = bodies.find_map(|body| body.file.as_deref());
    let file = scenario.files.first().map(|file| file.name.as_str());
    let data = scenario.values.data.first().map(|data| data.name.as_str());
    if let Some(name) = body.or(file).or(data) {
        return Some(format!(
            "the scenario reads files (\"{}\"), and the manifest holds its text only: build an image that \
             contains them, and write the Job by hand (docs/SCALE.md)",
            printable(name)
        ));
    }
    (text.len() > CONFIG_MAP_BYTES_MAX).then(|| {
        format!(
            "the scenario has {} bytes, and a ConfigMap holds {CONFIG_MAP_BYTES_MAX}",
            text.len()
        )
    })
}

/// A scalar of YAML inside a mapping that is `indent` deep: as lines where nothing in them is hidden.
fn yaml_text(text: &str, indent: usize) -> String {
    if text.is_empty() || printable_lines(text) != text {
        return json_string(text);
    }
    // How deep it is, so that a first line may begin with spaces; whether line feeds at the end count.
    let end = if text.ends_with('\n') { '+' } else { '-' };
    let lines = text.lines().map(|line| match line {
        "" => "\n".to_owned(),
        _ => format!("\n{}{line}", " ".repeat(indent + 2)),
    });
    format!("|2{end}{}", lines.collect::<String>())
}

fn kubernetes(part: &Part<'_>, text: &str, image: &str) -> String {
    let Part { shards, .. } = *part;
    let mut args = vec!["run".to_owned(), "/scenario/scenario.toml".to_owned()];
    args.push(format!("--shard=auto/{shards}"));
    args.push(format!("--barrier=tcp://z6-0.z6:{PORT}"));
    args.push("--output=/results/$(JOB_COMPLETION_INDEX)".to_owned());
    args.push("--no-live".to_owned());
    args.extend(part.options.split_whitespace().map(str::to_owned));
    let args =
        args.iter().map(|arg| format!("            - {}\n", json_string(arg))).collect::<String>();
    let (image, scenario) = (json_string(image), yaml_text(text, 2));
    format!(
        "# {shards} shards of one run. Apply it with `kubectl apply -f FILE`; docs/SCALE.md has the rest.
# The scenario, as it was when this was printed.
apiVersion: v1
kind: ConfigMap
metadata:
  name: z6-scenario
data:
  scenario.toml: {scenario}
---
# Gives the pods names: shard 0 is z6-0.z6, where the others meet it.
apiVersion: v1
kind: Service
metadata:
  name: z6
spec:
  clusterIP: None
  # The name has to be there before the pod is ready.
  publishNotReadyAddresses: true
  selector:
    app: z6
---
apiVersion: batch/v1
kind: Job
metadata:
  name: z6
spec:
  # Each pod is a shard, and finds its number in JOB_COMPLETION_INDEX.
  completionMode: Indexed
  completions: {shards}
  # All at once: they wait for each other.
  parallelism: {shards}
  # A shard that failed cannot be repeated alone.
  backoffLimit: 0
  template:
    metadata:
      labels:
        app: z6
    spec:
      subdomain: z6
      restartPolicy: Never
      # One pod on each machine, as far as there are enough machines.
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              app: z6
      containers:
        - name: z6
          # The image that the Containerfile makes.
          image: {image}
          args:
{args}          ports:
            - containerPort: {PORT}
          resources:
            # Whole cores: a generator that shares its core measures its neighbours.
            requests:
              cpu: \"2\"
              memory: 1Gi
            limits:
              cpu: \"2\"
              memory: 1Gi
          volumeMounts:
            - name: scenario
              mountPath: /scenario
            - name: results
              mountPath: /results
      volumes:
        - name: scenario
          configMap:
            name: z6-scenario
        # Where results stay: a claim that several pods may write to (ReadWriteMany).
        - name: results
          persistentVolumeClaim:
            claimName: z6-results
"
    )
}

fn slurm(part: &Part<'_>) -> String {
    let Part { shards, path, options } = part;
    format!(
        "#!/bin/bash
# {shards} shards of one run. Submit it with `sbatch --wait FILE`, from a folder that all nodes see.
#SBATCH --job-name=z6
#SBATCH --array=0-{last}
#SBATCH --ntasks=1
# Whole cores: a generator that shares its core measures its neighbours.
#SBATCH --cpus-per-task=2
#SBATCH --output=z6-%A-%a.out

# The shards begin together however long each of them is queued, within 30 min.
# Each writes its results to z6-JOB/NUMBER.
mkdir -p \"z6-$SLURM_ARRAY_JOB_ID/barrier\"
exec z6 run {path} --shard auto{options} \\
    --barrier \"z6-$SLURM_ARRAY_JOB_ID/barrier\" --barrier-wait 30m \\
    --output \"z6-$SLURM_ARRAY_JOB_ID/$SLURM_ARRAY_TASK_ID\" --no-live
",
        last = shards - 1,
        path = quoted(path),
    )
}

fn parallel(part: &Part<'_>) -> String {
    let Part { shards, path, options } = part;
    format!(
        "#!/bin/sh
# {shards} shards of one run on this machine, by GNU parallel. Run it with `sh FILE`.
# For other machines: add `--sshlogin HOST,HOST`, and let all of them see this folder.
set -e
results=z6-$(date -u +%Y%m%dT%H%M%SZ)
mkdir -p \"$results/barrier\"
# --jobs {shards}: all at once, because they wait for each other.
exec parallel --jobs {shards} --line-buffer --tag --halt soon,fail=1 \\
    z6 run {path} --shard auto/{shards}{options} \\
    --barrier \"$results/barrier\" --barrier-wait 1m \\
    --output \"$results/{{}}\" --no-live --no-summary ::: $(seq 0 {last})
",
        last = shards - 1,
        path = escaped(path),
    )
}

/// A word of a shell inside a command that another shell reads, as GNU parallel does.
fn escaped(text: &str) -> String {
    let once = quoted(text);
    if once == text { once } else { quoted(&once) }
}

fn ssh(part: &Part<'_>) -> String {
    let Part { shards, path, options } = part;
    format!(
        "#!/bin/bash
# {shards} shards of one run over plain ssh. Run it with `bash FILE HOST..`: {shards} hosts, each with z6 on its PATH.
# The first host is shard 0, which the others reach at port {PORT}. Each needs an ssh key, and no password.
set -eu
[ $# -eq {shards} ] || {{ echo \"expected {shards} hosts\" >&2; exit 2; }}
results=z6-$(date -u +%Y%m%dT%H%M%SZ)
mkdir -p \"$results\"
first=${{1#*@}}
pids=()
for index in $(seq 0 {last}); do
    host=$1
    shift
    # The scenario goes in by standard input, and the results come back as one archive.
    ssh -o BatchMode=yes \"$host\" \"set -e; folder=\\$(mktemp -d); trap 'rm -rf \\\"\\$folder\\\"' EXIT
        cat > \\\"\\$folder/scenario.toml\\\"
        code=0
        z6 run \\\"\\$folder/scenario.toml\\\" --shard $index/{shards}{options} \\
            --barrier tcp://$first:{PORT} --barrier-wait 1m \\
            --output \\\"\\$folder/results\\\" --no-live --no-summary >&2 || code=\\$?
        tar -C \\\"\\$folder\\\" -c results
        exit \\$code\" < {path} > \"$results/$index.tar\" &
    pids+=($!)
done
code=0
for pid in \"${{pids[@]}}\"; do wait \"$pid\" || code=$?; done
for index in $(seq 0 {last}); do
    mkdir -p \"$results/$index\"
    tar -C \"$results/$index\" --strip-components 1 -xf \"$results/$index.tar\" && rm \"$results/$index.tar\"
done
echo \"results in $results\"
exit $code
",
        last = shards - 1,
        path = quoted(path),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_shell_are_quoted_where_they_have_to_be() {
        assert_eq!(quoted("a/b-c_d.toml"), "a/b-c_d.toml");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's; rm -rf"), r"'it'\''s; rm -rf'");
    }

    #[test]
    fn what_is_in_yaml_stays_a_text() {
        assert_eq!(yaml_text("a = 1\n\n  b\n", 2), "|2+\n    a = 1\n\n      b");
        assert_eq!(yaml_text("a", 2), "|2-\n    a");
        assert_eq!(yaml_text("a\r\n", 2), r#""a\u000d\u000a""#);
    }
}
