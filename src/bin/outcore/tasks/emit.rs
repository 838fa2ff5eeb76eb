//! Scripts and manifests that carry out a job: `outcore plan --emit`.

use clap::ValueEnum;
use outcore::StageTasks;
use std::path::Path;

/// For whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Emit {
    /// A script for Slurm: an array of jobs per stage, one stage after the other
    Slurm,
    /// The manifest of an Indexed Job of Kubernetes, for the stage that is next
    K8s,
}

/// Bytes that the process takes beside what its plan proves.
const PROCESS_BYTES: u64 = 64 << 20;

/// What `scheduler` is given to run `stage` of the job in `folder`.
pub fn text(scheduler: Emit, stage: &StageTasks, job: &str, folder: &Path) -> String {
    match scheduler {
        Emit::Slurm => slurm(stage, job, folder),
        Emit::K8s => k8s(stage, job, folder),
    }
}

fn mebibytes(stage: &StageTasks) -> u64 {
    (stage.bytes_peak + PROCESS_BYTES).div_ceil(1 << 20)
}

/// The stages of a phase, and the phases after it, are known when those before are done: the script asks each time.
fn slurm(stage: &StageTasks, job: &str, folder: &Path) -> String {
    let (folder, memory, threads) = (quoted(folder), mebibytes(stage), stage.threads);
    format!(
        r#"#!/bin/bash
# Carries out the job {job} with Slurm; may be run again at any time: tasks that are done are left alone.
set -euo pipefail
job={folder}
array_max=${{ARRAY_MAX:-1000}}   # MaxArraySize of the cluster
while step=$(outcore plan --job "$job" --json); grep -q '"state":"run"' <<<"$step"; do
  field() {{ sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" <<<"$step"; }}
  phase=$(field phase) stage=$(field stage) tasks=$(field tasks)
  for ((base = 0; base < tasks; base += array_max)); do
    last=$((tasks - base < array_max ? tasks - base - 1 : array_max - 1))
    # A task that ends with 75 may pass: the loop comes back for whatever is not done.
    sbatch --wait --job-name="outcore-{job}-$stage" --array="0-$last" --cpus-per-task={threads} --mem={memory}M \
      --wrap="outcore task --job $(printf %q "$job") --phase $phase --stage $stage --task auto --task-base $base" || true
  done
  tries=$((${{before:-}} == phase * 1000 + stage ? tries + 1 : 0)); before=$((phase * 1000 + stage))
  if ((tries == 3)); then echo "stage $stage of phase $phase is not done after three tries: see the logs of its tasks" >&2; exit 75; fi
done
outcore finish --job "$job"
"#
    )
}

fn k8s(stage: &StageTasks, job: &str, folder: &Path) -> String {
    let StageTasks { phase, stage: number, tasks, threads, .. } = stage;
    let (path, memory) = (json(&folder.display().to_string()), mebibytes(stage));
    let parallelism = (*tasks).min(16);
    format!(
        r#"# One stage of the job {job}. When it is complete: outcore plan --job FOLDER --emit k8s, until that says that all tasks are done.
apiVersion: batch/v1
kind: Job
metadata:
  name: outcore-{job}-p{phase}-s{number}
spec:
  completionMode: Indexed
  completions: {tasks}
  parallelism: {parallelism}
  backoffLimitPerIndex: 3
  maxFailedIndexes: 0
  podFailurePolicy:
    rules:
    - action: Ignore
      onPodConditions:
      - type: DisruptionTarget
    - action: FailIndex
      onExitCodes:
        containerName: task
        operator: NotIn
        values: [75, 137, 143]
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: task
        image: outcore
        args: ["task", "--job", {path}, "--phase", "{phase}", "--stage", "{number}", "--task", "auto"]
        resources:
          requests: {{cpu: "{threads}", memory: {memory}Mi}}
          limits: {{memory: {memory}Mi}}
        volumeMounts:
        - name: shared
          mountPath: /shared
      volumes:
      - name: shared
        persistentVolumeClaim:
          claimName: shared
"#
    )
}

/// As a shell takes it.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// As YAML takes it.
fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage() -> StageTasks {
        let name = "z".to_string();
        StageTasks {
            phase: 0,
            stage: 1,
            stages: 2,
            name,
            tasks: 64,
            tasks_done: 0,
            todo: vec![(0, 64)],
            bytes: 1 << 30,
            bytes_peak: 100 << 20,
            threads: 4,
        }
    }

    #[test]
    fn scripts_say_what_a_task_needs() {
        let script = text(Emit::Slurm, &stage(), "0123456789abcdef", Path::new("/shared/it's/job"));
        assert!(script.starts_with("#!/bin/bash\n") && script.contains("--mem=164M") && script.contains("--cpus-per-task=4"), "{script}");
        assert!(script.contains(r"job='/shared/it'\''s/job'"), "{script}");
        let checked = std::process::Command::new("bash").args(["-n", "-c", &script]).output().unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
        let manifest = text(Emit::K8s, &stage(), "0123456789abcdef", Path::new("/shared/a \"job\""));
        for line in ["completions: 64", "name: outcore-0123456789abcdef-p0-s1", r#""--job", "/shared/a \"job\"","#, "memory: 164Mi}"] {
            assert!(manifest.contains(line), "{line} is not in\n{manifest}");
        }
    }
}
