//! The phone's camera: reads the QR code in a picture of the screen.

use anyhow::{Context, Result};

/// The text of the QR code in a PNG picture.
///
/// # Errors
/// When the bytes are no picture, or when no code in it can be read.
pub fn read_qr(png_bytes: &[u8]) -> Result<String> {
    let picture = image::load_from_memory(png_bytes).context("not a PNG picture")?.to_luma8();
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let mut seen = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| {
        picture.get_pixel(x as u32, y as u32).0[0]
    });
    let codes = seen.detect_grids();
    let code = codes.first().context("no QR code in the picture")?;
    let (_, text) = code.decode().context("the QR code in the picture cannot be read")?;
    Ok(text)
}
