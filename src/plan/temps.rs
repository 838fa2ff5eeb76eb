//! Results between passes: small ones in memory, large ones in scratch, and where every written value goes.

use crate::{
    expr::{Graph, NodeId},
    nd::{IndexMap, SourceFacts},
    plan::{
        Output, OutputFrom, OutputLayout, Scratch, ScratchId, Temp, TempId, WriteTo,
        assemble::Asked,
        chunks::{Grain, chunk_of, single_store_axis},
        expression::{Expression, LoadFrom},
        share::{Draft, How, name_of},
        spill::{FrameShape, cube, facts, lift, meeting, rows, write_scratch_bytes},
    },
};
use std::collections::BTreeMap;

/// What is held while results that are whole in memory are given to their stores.
pub fn delivery_bytes(temps: &Temps, outputs: &[Output]) -> u64 {
    let scratch = |output: &Output| match (output.from, &output.layout) {
        (OutputFrom::Temp(_), Some(layout)) => layout.scratch_bytes,
        _ => 0,
    };
    match outputs.iter().map(scratch).max() {
        None | Some(0) => 0,
        Some(scratch) => scratch.saturating_add(temps.list.iter().map(Temp::bytes).sum()),
    }
}

/// The results between stages: small ones in memory, large ones in scratch.
#[derive(Default)]
pub struct Temps {
    pub list: Vec<Temp>,
    pub of: BTreeMap<NodeId, TempId>,
    pub scratches: Vec<Scratch>,
    pub spilled: BTreeMap<NodeId, ScratchId>,
    /// One of each scratch: in its own coordinates, or in C order where one of its readers needs that.
    pub facts: Vec<SourceFacts>,
    pub layouts: Vec<OutputLayout>,
}

impl Temps {
    pub fn number(graph: &Graph, drafts: &[Draft], expressions: &[Expression], asked: &Asked<'_>) -> Temps {
        let roots = asked.roots;
        let mut last_use: BTreeMap<NodeId, usize> = BTreeMap::new();
        for (stage, expression) in expressions.iter().enumerate() {
            for node in expression.results_read() {
                last_use.insert(node, stage);
            }
        }
        let mut temps = Temps::default();
        for (stage, draft) in drafts.iter().enumerate() {
            for anchor in &draft.anchors {
                let delivered = anchor.how == How::Global && roots.contains(&anchor.node);
                let read = last_use.get(&anchor.node).copied();
                if !delivered && read.is_none() && anchor.how != How::Global {
                    continue;
                }
                let node = graph.node(anchor.node);
                let last_use = if delivered { drafts.len() } else { read.unwrap_or(stage) };
                if asked.spilling.is_spilled(anchor.node, anchor.how, node) {
                    temps.spill(graph, drafts, expressions, asked, anchor.node, (stage, last_use));
                    continue;
                }
                temps.of.insert(anchor.node, TempId(temps.list.len() as u32));
                temps.list.push(Temp {
                    name: name_of(graph, anchor.node),
                    shape: node.shape(),
                    dtype: node.dtype(),
                    node: anchor.node,
                    made_by: stage,
                    last_use,
                });
            }
        }
        temps
    }

    pub fn bytes_alive(&self, stage: usize) -> u64 {
        let temps = self.list.iter().filter(|temp| temp.made_by <= stage && stage <= temp.last_use).map(Temp::bytes);
        let scratches = self.scratches.iter().filter(|scratch| scratch.made_by <= stage && stage <= scratch.last_use);
        temps.chain(scratches.map(Scratch::index_bytes)).fold(0, u64::saturating_add)
    }

    /// Gives a node a scratch, in frames that fit who writes and reads it.
    fn spill(
        &mut self,
        graph: &Graph,
        drafts: &[Draft],
        expressions: &[Expression],
        asked: &Asked<'_>,
        id: NodeId,
        (made_by, last_use): (usize, usize),
    ) {
        let node = graph.node(id);
        let (shape, dtype) = (node.shape(), node.dtype());
        let readers: Vec<(usize, &IndexMap)> = expressions
            .iter()
            .enumerate()
            .flat_map(|(stage, expression)| expression.loads().map(move |(from, map)| (stage, from, map)))
            .filter_map(|(stage, from, map)| (from == LoadFrom::Result(id)).then_some((stage, map)))
            .collect();
        let lifted: Option<Vec<(usize, IndexMap)>> = readers.iter().map(|(stage, map)| Some((*stage, lift(map, &shape)?))).collect();
        let frame_bytes = asked.spilling.frame_bytes.min((asked.limits.memory_bytes / 32).max(4096));
        let (frame, facts_shape, facts_frame) = match &lifted {
            Some(lifted) => {
                let fits = fits(graph, drafts, expressions, asked, (id, made_by), lifted);
                let frame = match asked.spilling.frame_shape {
                    FrameShape::Cube => cube(&shape, dtype.size(), frame_bytes, &fits),
                    FrameShape::Meeting => meeting(&shape, dtype.size(), frame_bytes, &fits),
                };
                (frame.clone(), shape.clone(), frame)
            }
            None => {
                let frame = rows(&shape, dtype.size(), frame_bytes);
                (frame.clone(), vec![shape.iter().product()], vec![frame.iter().product()])
            }
        };
        let name = name_of(graph, id);
        let scratch = Scratch { name: name.clone(), shape, dtype, frame: frame.clone(), made_by, last_use };
        self.facts.push(facts(&format!("scratch of {name}"), dtype, &facts_shape, &facts_frame));
        self.layouts.push(OutputLayout { chunk: frame, scratch_bytes: write_scratch_bytes(scratch.frame_bytes()) });
        self.spilled.insert(id, ScratchId(self.scratches.len() as u32));
        self.scratches.push(scratch);
    }
}

/// The lengths that writers and readers of a scratch come in, along each of its axes.
fn fits(
    graph: &Graph,
    drafts: &[Draft],
    expressions: &[Expression],
    asked: &Asked<'_>,
    (id, made_by): (NodeId, usize),
    readers: &[(usize, IndexMap)],
) -> Vec<Vec<usize>> {
    let mut fits = vec![Vec::new(); graph.node(id).meta.rank()];
    // Who reads it writes chunks: those of outputs that have as many axes as their pass.
    for (stage, map) in readers {
        let space = &drafts[*stage].space;
        for anchor in &drafts[*stage].anchors {
            let outputs = asked.roots.iter().take(asked.request.outputs.len()).enumerate().filter(|(_, root)| **root == anchor.node);
            for layout in outputs.filter_map(|(index, _)| asked.request.layouts.get(index)?.as_ref()) {
                if layout.chunk.len() != space.len() {
                    continue;
                }
                for (axis, &length) in layout.chunk.iter().enumerate() {
                    if let Some(store) = single_store_axis(map, axis).filter(|&store| map.steps[axis][store].abs() == 1) {
                        fits[store].push(length);
                    }
                }
            }
        }
    }
    // Who makes it reads chunks.
    let space = &drafts[made_by].space;
    if space.len() == fits.len() {
        for (from, map) in expressions[made_by].loads() {
            let LoadFrom::Source(source) = from else { continue };
            if let Some(chunk) = chunk_of(Some(&graph.sources[source.0 as usize])) {
                let grain = Grain::of_source(map, chunk, space);
                fits.iter_mut().zip(grain.length).for_each(|(fits, length)| fits.push(length));
            }
        }
    }
    fits
}

/// Where each streamed anchor goes: the outputs that ask for it, and the temp that later stages read.
pub fn destinations(drafts: &[Draft], temps: &Temps, outputs: &[NodeId]) -> BTreeMap<NodeId, Vec<WriteTo>> {
    let mut made: BTreeMap<NodeId, Vec<WriteTo>> = BTreeMap::new();
    for anchor in drafts.iter().flat_map(|draft| &draft.anchors).filter(|anchor| anchor.how != How::Global) {
        let list = made.entry(anchor.node).or_default();
        list.extend(outputs.iter().enumerate().filter(|(_, root)| **root == anchor.node).map(|(index, _)| WriteTo::Output(index)));
        list.extend(temps.of.get(&anchor.node).map(|temp| WriteTo::Temp(*temp)));
        list.extend(temps.spilled.get(&anchor.node).map(|scratch| WriteTo::Scratch(*scratch)));
    }
    made
}
