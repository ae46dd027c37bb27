//! The phone's camera.

use std::io::Cursor;

use image::{ImageFormat, Luma};
use stand_in::camera::read_qr;

#[test]
fn the_camera_reads_the_link_on_the_screen() {
    let link = "tg://login?token=AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAh";
    let code = qrcode::QrCode::new(link).unwrap();
    let picture = code.render::<Luma<u8>>().module_dimensions(4, 4).build();
    let mut png = Cursor::new(Vec::new());
    picture.write_to(&mut png, ImageFormat::Png).unwrap();
    assert_eq!(read_qr(png.get_ref()).unwrap(), link);
}

#[test]
fn the_camera_sees_no_code_in_a_blank_picture() {
    let blank = image::GrayImage::from_pixel(64, 64, Luma([255]));
    let mut png = Cursor::new(Vec::new());
    blank.write_to(&mut png, ImageFormat::Png).unwrap();
    assert!(read_qr(png.get_ref()).unwrap_err().to_string().contains("no QR code"));
    assert!(read_qr(b"no picture").is_err());
}
