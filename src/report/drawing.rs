//! A plan as a drawing: what is read on the left, stages down the middle, what is made on the right; between stages what they keep.

use super::{
    markup::{Svg, shortened, shortened_front},
    size::{count, data_bytes, memory_bytes, plural},
    sketch::{ArrayRole, Sketch, SketchArray, SketchEdge, SketchStage},
};
use crate::nd::shape::show;

/// Stages that are drawn at most; of longer plans the first and a note.
const STAGES_MAX: usize = 40;
/// Arrays of one side that are drawn beside a stage at most.
const SIDE_MAX: usize = 6;

const WIDTH: f64 = 1080.0;
const ARRAY_WIDTH: f64 = 230.0;
const ARRAY_HEIGHT: f64 = 46.0;
const STAGE_LEFT: f64 = 370.0;
const STAGE_WIDTH: f64 = 340.0;
const STAGE_HEIGHT: f64 = 92.0;
const ROW_GAP: f64 = 26.0;
const KEPT_HEIGHT: f64 = 34.0;
const MARGIN: f64 = 8.0;

/// Colours of a drawing that is a file of its own; a page has the same classes in its own style.
pub const STYLE: &str = include_str!("html/drawing.css");

/// Draws a plan as part of a page.
#[must_use]
pub fn drawing(sketch: &Sketch) -> String {
    draw(sketch).finish()
}

/// Draws a plan as an SVG file.
#[must_use]
pub fn drawing_file(sketch: &Sketch) -> String {
    draw(sketch).finish_alone(STYLE)
}

/// Where the middle of a row of the drawing is, and how high it is.
struct Row {
    top: f64,
    height: f64,
    /// What the stage makes for later ones, and where.
    kept: Vec<(usize, f64, f64)>,
}

fn draw(sketch: &Sketch) -> Svg {
    let stages = &sketch.stages[..sketch.stages.len().min(STAGES_MAX)];
    let rows = rows(sketch, stages);
    let left_out = sketch.stages.len() - stages.len();
    let note = if left_out > 0 { 24.0 } else { 0.0 };
    let height = rows.last().map_or(40.0, |row| row.top + row.height) + MARGIN + note;
    let about = format!("plan: {}", plural(sketch.stages.len() as u64, "stage", "stages"));
    let mut svg = Svg::new((WIDTH, height), &about);
    for (index, (stage, row)) in stages.iter().zip(&rows).enumerate() {
        draw_sides(&mut svg, sketch, stage, row);
        draw_stage(&mut svg, index, stage, row);
        draw_kept(&mut svg, sketch, (index, stage), &rows);
    }
    if left_out > 0 {
        let text = format!("and {left_out} more {}", if left_out == 1 { "stage" } else { "stages" });
        svg.text("small", (STAGE_LEFT + STAGE_WIDTH / 2.0, height - MARGIN), "middle", &text);
    }
    svg
}

/// Edges of a stage to arrays outside of the plan.
fn outside<'a>(sketch: &'a Sketch, edges: &'a [SketchEdge]) -> Vec<(&'a SketchArray, &'a SketchEdge)> {
    let arrays = edges.iter().map(|edge| (&sketch.arrays[edge.array], edge));
    arrays.filter(|(array, _)| !is_between(array)).collect()
}

fn is_between(array: &SketchArray) -> bool {
    matches!(array.role, ArrayRole::Temp | ArrayRole::Scratch)
}

fn rows(sketch: &Sketch, stages: &[SketchStage]) -> Vec<Row> {
    let mut top = MARGIN;
    let mut rows: Vec<Row> = Vec::new();
    for stage in stages {
        let sides = [&stage.reads, &stage.writes].map(|edges| outside(sketch, edges).len().min(SIDE_MAX + 1));
        let side = sides[0].max(sides[1]) as f64 * (ARRAY_HEIGHT + 8.0) - 8.0;
        let height = STAGE_HEIGHT.max(side);
        // What nobody reads later is an output, which is drawn on the right.
        let is_read = |array: usize| stages[rows.len() + 1..].iter().any(|later| later.reads.iter().any(|edge| edge.array == array));
        let is_kept = |array: &usize| is_between(&sketch.arrays[*array]) && is_read(*array);
        let mut made: Vec<usize> = stage.writes.iter().map(|edge| edge.array).filter(is_kept).collect();
        made.dedup();
        made.truncate(4);
        let width = (STAGE_WIDTH + 60.0) / made.len().max(1) as f64;
        let from = STAGE_LEFT - 30.0;
        let kept_top = top + height + ROW_GAP;
        let kept: Vec<_> = made.iter().enumerate().map(|(place, &array)| (array, from + (place as f64 + 0.5) * width, kept_top)).collect();
        let below = if kept.is_empty() { ROW_GAP } else { 2.0 * ROW_GAP + KEPT_HEIGHT };
        rows.push(Row { top, height, kept });
        top += height + below;
    }
    rows
}

fn draw_stage(svg: &mut Svg, index: usize, stage: &SketchStage, row: &Row) {
    let top = row.top + (row.height - STAGE_HEIGHT) / 2.0;
    let memory: Vec<String> = stage.memory.iter().map(|(name, bytes)| format!("{name} {}", memory_bytes(*bytes))).collect();
    let held: u64 = stage.memory.iter().map(|(_, bytes)| bytes).sum();
    let tip = format!(
        "stage {}: {}\nover {} in {} of {}, {} of {}\nholds {} = {}",
        index + 1,
        stage.name,
        show(&stage.space),
        plural(stage.blocks, "block", "blocks"),
        show(&stage.block),
        plural(stage.runs, "run", "runs"),
        show(&stage.run),
        memory_bytes(held),
        if memory.is_empty() { "nothing".to_string() } else { memory.join(" + ") }
    );
    svg.open("stage", &tip);
    svg.rect("box", (STAGE_LEFT, top), (STAGE_WIDTH, STAGE_HEIGHT), 8.0);
    svg.rect("badge", (STAGE_LEFT + 10.0, top + 11.0), (24.0, 20.0), 10.0);
    svg.text("badge-text", (STAGE_LEFT + 22.0, top + 25.5), "middle", &(index + 1).to_string());
    let lines = [
        format!("over {}", show(&stage.space)),
        format!("{} in {}", plural(stage.blocks, "block", "blocks"), plural(stage.runs, "run", "runs")),
        format!(
            "{} held, {}, {} in flight",
            memory_bytes(held),
            plural(stage.workers as u64, "worker", "workers"),
            count(stage.in_flight as u64)
        ),
    ];
    svg.text("name", (STAGE_LEFT + 42.0, top + 26.0), "start", &shortened(&stage.name, 38));
    for (place, line) in lines.iter().enumerate() {
        svg.text("small", (STAGE_LEFT + 14.0, top + 47.0 + 16.0 * place as f64), "start", &shortened(line, 54));
    }
    svg.close();
}

/// Sources on the left, outputs on the right.
fn draw_sides(svg: &mut Svg, sketch: &Sketch, stage: &SketchStage, row: &Row) {
    let middle = row.top + row.height / 2.0;
    for (edges, is_left) in [(&stage.reads, true), (&stage.writes, false)] {
        let all = outside(sketch, edges);
        let shown = &all[..all.len().min(SIDE_MAX)];
        let boxes = shown.len() + usize::from(all.len() > shown.len());
        let total = boxes as f64 * (ARRAY_HEIGHT + 8.0) - 8.0;
        let left = if is_left { MARGIN } else { WIDTH - MARGIN - ARRAY_WIDTH };
        for (place, (array, edge)) in shown.iter().enumerate() {
            let top = middle - total / 2.0 + place as f64 * (ARRAY_HEIGHT + 8.0);
            let at = top + ARRAY_HEIGHT / 2.0;
            // Arrows of many arrays meet the stage one below the other.
            let spread = (place as f64 - (shown.len() as f64 - 1.0) / 2.0) * 11.0;
            draw_array(svg, array, (left, top));
            let class = if edge.copied { "edge copied" } else { "edge" };
            let tip = format!("{}: {}, {}", array.name, data_bytes(edge.bytes), edge.way);
            svg.open("flow", &tip);
            let (from, to) = match is_left {
                true => ((left + ARRAY_WIDTH, at), (STAGE_LEFT, middle + spread)),
                false => ((STAGE_LEFT + STAGE_WIDTH, middle + spread), (left, at)),
            };
            svg.arrow(class, from, to);
            let label_x = if is_left { left + ARRAY_WIDTH + 10.0 } else { left - 14.0 };
            let anchor = if is_left { "start" } else { "end" };
            // Beside the arrow, on the side from which it does not come.
            let above = is_left || at <= middle + 1.0;
            svg.text("label", (label_x, if above { at - 6.0 } else { at + 15.0 }), anchor, &data_bytes(edge.bytes));
            if is_left {
                svg.text("label dim", (label_x, at + 14.0), anchor, &shortened(&edge.way, 23));
            }
            svg.close();
        }
        if all.len() > shown.len() {
            let top = middle - total / 2.0 + shown.len() as f64 * (ARRAY_HEIGHT + 8.0);
            svg.text("small", (left + 10.0, top + 20.0), "start", &format!("and {} more", all.len() - shown.len()));
        }
    }
}

fn draw_array(svg: &mut Svg, array: &SketchArray, (left, top): (f64, f64)) {
    let (class, what) = match array.role {
        ArrayRole::Source => ("array source", ""),
        ArrayRole::Memory => ("array memory", ", in memory"),
        ArrayRole::Output => ("array output", ""),
        ArrayRole::Temp => ("array temp", ", kept in memory"),
        ArrayRole::Scratch => ("array scratch", ", in scratch"),
    };
    svg.open(class, &format!("{}\n{}, {}{what}", array.name, array.described(), data_bytes(array.bytes)));
    svg.rect("box", (left, top), (ARRAY_WIDTH, ARRAY_HEIGHT), 6.0);
    svg.text("name", (left + 10.0, top + 19.0), "start", &shortened_front(&array.name, 28));
    svg.text("small", (left + 10.0, top + 36.0), "start", &shortened(&format!("{}{what}", array.described()), 36));
    svg.close();
}

/// What a stage makes for later ones, and the arrows to them.
fn draw_kept(svg: &mut Svg, sketch: &Sketch, (index, stage): (usize, &SketchStage), rows: &[Row]) {
    let row = &rows[index];
    let bottom = row.top + (row.height + STAGE_HEIGHT) / 2.0;
    let count = row.kept.len().max(1) as f64;
    for &(array, x, top) in &row.kept {
        let made = &sketch.arrays[array];
        let width = (STAGE_WIDTH + 60.0) / count - 10.0;
        let ways: Vec<&str> = stage.writes.iter().filter(|edge| edge.array == array).map(|edge| edge.way.as_str()).collect();
        svg.arrow_down("edge", (x.clamp(STAGE_LEFT + 20.0, STAGE_LEFT + STAGE_WIDTH - 20.0), bottom), (x, top));
        let class = if made.role == ArrayRole::Scratch { "array scratch" } else { "array temp" };
        let kept = if made.role == ArrayRole::Scratch { "in scratch" } else { "in memory" };
        let tip = format!("{}\n{}, {} {kept}: {}", made.name, made.described(), data_bytes(made.bytes), ways.join(", "));
        svg.open(class, &tip);
        svg.rect("box", (x - width / 2.0, top), (width, KEPT_HEIGHT), 17.0);
        let letters = (width / 6.4) as usize;
        svg.text("name", (x, top + 15.0), "middle", &shortened(&made.name, letters.saturating_sub(2)));
        svg.text("small", (x, top + 28.0), "middle", &shortened(&format!("{} {kept}", data_bytes(made.bytes)), letters));
        svg.close();
        for (later, reader) in sketch.stages.iter().enumerate().skip(index + 1).take(rows.len() - index - 1) {
            if reader.reads.iter().any(|edge| edge.array == array) {
                draw_later(svg, (x, top, width), (index, later), rows);
            }
        }
    }
}

/// From what is kept to a stage that reads it: straight down to the next one, around those between.
fn draw_later(svg: &mut Svg, (x, top, width): (f64, f64, f64), (index, later): (usize, usize), rows: &[Row]) {
    let row = &rows[later];
    let stage_top = row.top + (row.height - STAGE_HEIGHT) / 2.0;
    if later == index + 1 {
        let to = (x.clamp(STAGE_LEFT + 20.0, STAGE_LEFT + STAGE_WIDTH - 20.0), stage_top);
        return svg.arrow_down("edge", (x, top + KEPT_HEIGHT), to);
    }
    let side = STAGE_LEFT + STAGE_WIDTH + 34.0 + 7.0 * (index % 4) as f64;
    let y = stage_top + 20.0 + 6.0 * (index % 4) as f64;
    let (from_x, from_y) = (x + width / 2.0, top + KEPT_HEIGHT / 2.0);
    let stage_right = STAGE_LEFT + STAGE_WIDTH;
    svg.path("edge far", &format!("M{from_x:.1} {from_y:.1}H{side:.1}V{y:.1}H{:.1}", stage_right + 3.0));
    svg.path("edge head", &format!("M{stage_right:.1} {y:.1}l7 -3.5l0 7Z"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(name: &str, reads: Vec<SketchEdge>, writes: Vec<SketchEdge>) -> SketchStage {
        let (space, block, run, memory) = (vec![10], vec![2], vec![5], vec![("temps".to_string(), 8)]);
        let (blocks, runs, workers, in_flight) = (5, 2, 1, 2);
        SketchStage {
            name: name.into(),
            space,
            blocks,
            block,
            runs,
            run,
            reads,
            writes,
            memory,
            workers,
            in_flight,
            operations: 1,
            user_code: false,
        }
    }

    #[test]
    fn stages_and_what_goes_between_them_are_drawn() {
        let array = |name: &str, role| SketchArray { name: name.into(), role, dtype: crate::nd::DType::F32, shape: vec![10], bytes: 40 };
        let edge = |array| SketchEdge { array, bytes: 40, way: "mapped".into(), copied: false };
        let arrays = vec![
            array("a<b>.npy", ArrayRole::Source),
            array("mean", ArrayRole::Temp),
            array("z & y", ArrayRole::Output),
            array("unread", ArrayRole::Temp),
        ];
        let stages = vec![
            stage("mean", vec![edge(0)], vec![edge(1)]),
            stage("other", vec![edge(0)], vec![]),
            stage("z", vec![edge(0), edge(1)], vec![edge(2), edge(3)]),
        ];
        let text = drawing_file(&Sketch { arrays, stages, ..Sketch::default() });
        let read = roxmltree::Document::parse(&text).unwrap();
        let texts: Vec<&str> = read.descendants().filter(|node| node.tag_name().name() == "text").filter_map(|node| node.text()).collect();
        for name in ["mean", "other", "z", "a<b>.npy", "z & y"] {
            assert!(texts.contains(&name), "{name}: {texts:?}");
        }
        let class = |name: &str| read.descendants().filter(|node| node.attribute("class") == Some(name)).count();
        assert_eq!((class("stage"), class("array temp"), class("edge far")), (3, 1, 1));
    }

    #[test]
    fn long_plans_are_cut_and_empty_ones_are_drawn() {
        let stages = (0..STAGES_MAX + 5).map(|index| stage(&index.to_string(), vec![], vec![])).collect();
        assert!(drawing(&Sketch { stages, ..Sketch::default() }).contains("and 5 more stages"));
        assert!(roxmltree::Document::parse(&drawing(&Sketch::default())).is_ok());
    }
}
