//! Draws the SVG picture of a QR code as a PNG, so that a camera can read it. It supports rectangles and paths of horizontal
//! and vertical lines: such a picture has nothing else.

use anyhow::{Context, Result, ensure};
use image::{GrayImage, ImageFormat, Luma};

/// Screen pixels for one unit of the picture, at least.
const SCALE: f32 = 4.0;
/// A screen is no larger.
const LARGEST: f32 = 4096.0;

/// The picture as a PNG.
///
/// # Errors
/// Where it has no size, or holds what this does not know.
pub fn png_of(svg: &str) -> Result<Vec<u8>> {
    let view_box = attribute(svg, "viewBox").context("an SVG picture without viewBox")?;
    let size: Vec<f32> = view_box.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    let &[left, top, width, height] = size.as_slice() else { anyhow::bail!("viewBox: {view_box}") };
    let scale = SCALE.max(400.0 / width);
    ensure!(
        width > 0.0 && height > 0.0 && width * scale <= LARGEST && height * scale <= LARGEST,
        "viewBox: {view_box}"
    );
    let mut picture = GrayImage::from_pixel((width * scale) as u32, (height * scale) as u32, Luma([255]));
    for element in svg.split('<').filter_map(|rest| rest.split('>').next()) {
        let rectangles = match element.split_whitespace().next() {
            Some("rect") => vec![rectangle(element, width, height)],
            Some("path") => subpaths(&attribute(element, "d").unwrap_or_default())?,
            _ => continue,
        };
        let Some(shade) = shade(attribute(element, "fill").as_deref()) else { continue };
        for [x1, y1, x2, y2] in rectangles {
            let pixel = |at: f32, from: f32| ((at - from) * scale).round().max(0.0) as u32;
            for y in pixel(y1, top)..pixel(y2, top).min(picture.height()) {
                for x in pixel(x1, left)..pixel(x2, left).min(picture.width()) {
                    picture.put_pixel(x, y, Luma([shade]));
                }
            }
        }
    }
    let mut png = Vec::new();
    picture.write_to(&mut std::io::Cursor::new(&mut png), ImageFormat::Png)?;
    Ok(png)
}

fn attribute(element: &str, name: &str) -> Option<String> {
    let (_, rest) = element.split_once(&format!(" {name}=\""))?;
    Some(rest.split('"').next()?.to_owned())
}

fn shade(fill: Option<&str>) -> Option<u8> {
    match fill.map(str::to_ascii_lowercase).as_deref() {
        Some("none") => None,
        Some("#fff" | "#ffffff" | "white") => Some(255),
        _ => Some(0),
    }
}

fn rectangle(element: &str, width: f32, height: f32) -> [f32; 4] {
    let number = |name: &str, whole: f32| match attribute(element, name) {
        None => 0.0,
        Some(text) if text == "100%" => whole,
        Some(text) => text.trim_end_matches("px").parse().unwrap_or(0.0),
    };
    let (x, y) = (number("x", width), number("y", height));
    [x, y, x + number("width", width), y + number("height", height)]
}

/// The rectangle that each subpath goes round.
fn subpaths(path: &str) -> Result<Vec<[f32; 4]>> {
    let mut rectangles: Vec<[f32; 4]> = Vec::new();
    let (mut x, mut y) = (0.0_f32, 0.0_f32);
    let mut rest = path.trim_start();
    while let Some(command) = rest.chars().next() {
        let end = rest[1..].find(|c: char| c.is_ascii_alphabetic()).map_or(rest.len(), |at| at + 1);
        let numbers: Vec<f32> =
            rest[1..end].split([' ', ',']).filter_map(|number| number.parse().ok()).collect();
        match (command, numbers.as_slice()) {
            ('M', &[to_x, to_y]) => (x, y) = (to_x, to_y),
            ('m', &[by_x, by_y]) => (x, y) = (x + by_x, y + by_y),
            ('H', &[to]) => x = to,
            ('h', &[by]) => x += by,
            ('V', &[to]) => y = to,
            ('v', &[by]) => y += by,
            ('Z' | 'z', &[]) => {
                if let Some([left, top, ..]) = rectangles.last() {
                    (x, y) = (*left, *top);
                }
            }
            _ => anyhow::bail!("a path with {command} and {} numbers", numbers.len()),
        }
        if matches!(command, 'M' | 'm') {
            rectangles.push([x, y, x, y]);
        } else if let Some([left, top, right, bottom]) = rectangles.last_mut() {
            (*left, *top) = (left.min(x), top.min(y));
            (*right, *bottom) = (right.max(x), bottom.max(y));
        }
        rest = rest[end..].trim_start();
    }
    Ok(rectangles)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::read_qr;

    #[test]
    fn a_code_drawn_by_the_usual_packages_is_read_from_the_picture() {
        let link = "tg://login?token=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let code = qrcode::QrCode::new(link).unwrap();
        let svg = code.render::<qrcode::render::svg::Color<'_>>().min_dimensions(200, 200).build();
        assert_eq!(read_qr(&png_of(&svg).unwrap()).unwrap(), link);
    }

    #[test]
    fn modules_of_one_unit_are_large_enough_to_be_read() {
        let code = qrcode::QrCode::new("small").unwrap();
        let width = code.width();
        let dark = code.to_colors();
        let mut path = String::new();
        for (at, _) in dark.iter().enumerate().filter(|(_, color)| **color == qrcode::Color::Dark) {
            path += &format!("M{},{}h1v1h-1z", at % width + 4, at / width + 4);
        }
        let side = width + 8;
        let svg = format!(
            "<svg viewBox=\"0 0 {side} {side}\"><rect width=\"100%\" height=\"100%\" fill=\"#fff\"/><path d=\"{path}\"/></svg>"
        );
        assert_eq!(read_qr(&png_of(&svg).unwrap()).unwrap(), "small");
    }

    #[test]
    fn another_picture_is_refused() {
        assert!(png_of("<svg></svg>").is_err());
        assert!(png_of("<svg viewBox=\"0 0 9 9\"><path d=\"M0 0c1 1 2 2 3 3\"/></svg>").is_err());
    }
}
