//! Describes a runtime for `runtime.json`, from its plan. It records every input that runtimes contain;
//! `stage` adds the list of files.

use speaches_format::description::{Model, Python, RuntimeInfo, SCHEMA};
use speaches_format::input::{Input, Origin};

use crate::inputs::model::ModelInput;
use crate::inputs::python::PythonInput;
use crate::plan::Plan;
use crate::store::tree::Tree;

/// Describes the runtime of a plan. `python` is the tree of its CPython; `bytecode` says whether it gets some.
pub fn info(plan: &Plan, python: &Tree, bytecode: bool) -> RuntimeInfo {
    let interpreter = &plan.inputs.python.source;
    let recorded = plan.inputs.facts().filter(|facts| facts.kind.is_in_runtimes()).map(|facts| {
        let mut input = facts.recorded();
        if matches!(input.origin, Origin::Interpreter) {
            // An interpreter is known by its path and date before it is copied, and by its content afterwards.
            input.sha256 = python.sha256().to_string();
        }
        input
    });
    RuntimeInfo {
        schema: SCHEMA,
        version: plan.version.clone(),
        name: plan.name.clone(),
        target: plan.target.triple.clone(),
        accelerator: plan.accelerator.to_string(),
        python: Python {
            version: interpreter.version().to_owned(),
            minor: plan.minor().to_owned(),
            copied: matches!(interpreter, PythonInput::Interpreter(_) | PythonInput::Copied { .. }),
        },
        bytecode,
        groups: plan.groups.clone(),
        models: plan.inputs.models.iter().map(|model| described(&model.source)).collect(),
        plan: plan.identity().to_string(),
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        inputs: recorded.collect::<Vec<Input>>(),
    }
}

fn described(model: &ModelInput) -> Model {
    Model {
        id: model.id.clone(),
        task: model.about.task.clone(),
        license: model.about.license.clone(),
        revision: model.revision.clone(),
        voice: model.about.voice.clone(),
        serves: model.about.serves.clone(),
        file: model.weights().map(str::to_owned),
    }
}
