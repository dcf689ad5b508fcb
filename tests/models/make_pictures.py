#!/usr/bin/env python3
"""Makes pictures/: one small picture in every kind of PNG, JPEG, BMP and PNM file that is read.

    python3 -m venv venv && venv/bin/pip install pillow && venv/bin/python make_pictures.py   # and cjpeg of libjpeg-turbo

All show the same 21 x 11 pixels, in colour (12 x, 25 y, 128) or in grey 11 x + 2 y, as well as the kind of file can.
image_formats_test.cpp holds what is read against that; the fuzzers begin from these files. "clear" says that the first
pixel is transparent, "clear-white" that what is white is, "turned" that it is stored as that Exif orientation says.
"""
import io
import pathlib
import struct
import subprocess
import zlib

from PIL import Image

WIDTH, HEIGHT = 21, 11
FOLDER = pathlib.Path(__file__).parent / "pictures"
COLOUR = [[(12 * x, 25 * y, 128) for x in range(WIDTH)] for y in range(HEIGHT)]
GREY = [[11 * x + 2 * y for x in range(WIDTH)] for y in range(HEIGHT)]


def save(name, data):
    (FOLDER / name).write_bytes(data)


# Values of some bits each, as the rows of PNG and BMP have them: the first in the highest bits.
def packed(values, bits):
    number = 0
    for value in values:
        number = number << bits | value
    padding = -len(values) * bits % 8
    return (number << padding).to_bytes((len(values) * bits + padding) // 8, "big")


def level(value, bits):
    return round(value * (2**bits - 1) / 255)


# ---- PNG ----


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def filtered(row, above, step, kind):
    """A row after filter 0 (none), 1 (sub), 2 (up), 3 (average) or 4 (Paeth), with that number before it."""
    result = bytearray([kind])
    for i, value in enumerate(row):
        left, up, corner = row[i - step] if i >= step else 0, above[i], above[i - step] if i >= step else 0
        distances = [abs(left + up - corner - p) for p in (left, up, corner)]
        paeth = (left, up, corner)[distances.index(min(distances))]
        result.append(value - [0, left, up, (left + up) // 2, paeth][kind] & 255)
    return bytes(result)


def png(pixels, colour_type, bits, extra=b"", interlaced=False, level=9, strategy=zlib.Z_DEFAULT_STRATEGY):
    """pixels: rows of tuples of samples."""
    samples = len(pixels[0][0])
    steps = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    data = b""
    for x, y, dx, dy in steps if interlaced else [(0, 0, 1, 1)]:
        rows = [packed([s for pixel in row[x::dx] for s in pixel], bits) for row in pixels[y::dy]]
        if not rows or not rows[0]:
            continue
        above = bytes(len(rows[0]))
        for number, row in enumerate(rows):
            data += filtered(row, above, max(samples * bits // 8, 1), number % 5)
            above = row
    packer = zlib.compressobj(level, zlib.DEFLATED, 15, 9, strategy)
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, bits, colour_type, 0, 0, interlaced)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra +
            chunk(b"IDAT", packer.compress(data) + packer.flush()) + chunk(b"IEND", b""))


def all_png():
    grey = [[(v,) for v in row] for row in GREY]
    for bits in 1, 2, 4:
        few = [[(level(v, bits),) for v in row] for row in GREY]
        save(f"grey-{bits}.png", png(few, 0, bits))
        save(f"grey-{bits}-clear-white.png", png(few, 0, bits, chunk(b"tRNS", struct.pack(">H", 2**bits - 1))))
    save("grey-8.png", png(grey, 0, 8))
    save("grey-8-stored.png", png(grey, 0, 8, level=0))
    save("grey-8-fixed-codes.png", png(grey, 0, 8, strategy=zlib.Z_FIXED))
    save("grey-8-interlaced.png", png(grey, 0, 8, interlaced=True))
    save("grey-8-clear.png", png(grey, 0, 8, chunk(b"tRNS", b"\0\0")))
    save("colour-8.png", png(COLOUR, 2, 8))
    save("colour-8-interlaced.png", png(COLOUR, 2, 8, interlaced=True))
    save("colour-8-clear.png", png(COLOUR, 2, 8, chunk(b"tRNS", struct.pack(">HHH", 0, 0, 128))))

    wide = lambda rows: [[tuple(257 * s for s in pixel) for pixel in row] for row in rows]
    save("grey-16.png", png(wide(grey), 0, 16))
    save("grey-16-clear.png", png(wide(grey), 0, 16, chunk(b"tRNS", b"\0\0")))
    save("colour-16.png", png(wide(COLOUR), 2, 16))
    save("colour-16-interlaced.png", png(wide(COLOUR), 2, 16, interlaced=True))
    save("colour-16-clear.png", png(wide(COLOUR), 2, 16, chunk(b"tRNS", struct.pack(">HHH", 0, 0, 257 * 128))))

    clear = lambda rows: [[(*p, 0 if x == y == 0 else 255) for x, p in enumerate(row)] for y, row in enumerate(rows)]
    save("grey-alpha-8-clear.png", png(clear(grey), 4, 8))
    save("grey-alpha-16-clear.png", png(wide(clear(grey)), 4, 16))
    save("colour-alpha-8-clear.png", png(clear(COLOUR), 6, 8))
    save("colour-alpha-16-clear.png", png(wide(clear(COLOUR)), 6, 16))
    save("colour-alpha-8-interlaced-clear.png", png(clear(COLOUR), 6, 8, interlaced=True))

    for bits in 1, 2, 4, 8:
        colours, indices = palette(bits)
        table = chunk(b"PLTE", bytes(v for colour in colours for v in colour))
        pixels = [[(i,) for i in row] for row in indices]
        save(f"palette-{bits}.png", png(pixels, 3, bits, table))
        if bits == 8:
            save("palette-8-interlaced.png", png(pixels, 3, 8, table, interlaced=True))
            save("palette-8-clear.png", png(pixels, 3, 8, table + chunk(b"tRNS", b"\0\xff")))


def palette(bits):
    """Colours, and rows of indices: of 8 bits one for every pixel, else the nearest."""
    if bits == 8:
        return sum(COLOUR, []), [[y * WIDTH + x for x in range(WIDTH)] for y in range(HEIGHT)]
    reds, greens = {1: (2, 1), 2: (2, 2), 4: (4, 4)}[bits]
    at = lambda i, n: (2 * i + 1) * 250 // (2 * n)
    colours = [(at(r, reds), at(g, greens), 128) for r in range(reds) for g in range(greens)]
    nearest = lambda p: min(range(len(colours)), key=lambda c: sum((a - b)**2 for a, b in zip(colours[c], p)))
    return colours, [[nearest(p) for p in row] for row in COLOUR]


# ---- BMP ----


def bmp(rows, bits, header=40, compression=0, masks=(), table=b"", top_down=False):
    """rows: of bytes, the uppermost first."""
    rows = [row + bytes(-len(row) % 4) for row in rows]
    body = b"".join(rows if top_down else rows[::-1])
    height = -HEIGHT if top_down else HEIGHT
    if header == 12:
        info = struct.pack("<IHHHH", 12, WIDTH, HEIGHT, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", header, WIDTH, height, 1, bits, compression, len(body), 2835, 2835, 0, 0)
        info += b"".join(struct.pack("<I", mask) for mask in masks)
        info += bytes(max(header - len(info), 0))
    start = 14 + len(info) + len(table)
    return struct.pack("<2sIHHI", b"BM", start + len(body), 0, 0, start) + info + table + body


def all_bmp():
    bgr = [b"".join(bytes((b, g, r)) for r, g, b in row) for row in COLOUR]
    save("colour-24.bmp", bmp(bgr, 24))
    save("colour-24-from-top.bmp", bmp(bgr, 24, top_down=True))
    save("colour-24-os2.bmp", bmp(bgr, 24, header=12))
    save("colour-24-v4.bmp", bmp(bgr, 24, header=108))
    save("colour-24-v5.bmp", bmp(bgr, 24, header=124))
    words = lambda pack, of: [b"".join(struct.pack(pack, of(*pixel)) for pixel in row) for row in COLOUR]
    save("colour-16.bmp", bmp(words("<H", lambda r, g, b: r >> 3 << 10 | g >> 3 << 5 | b >> 3), 16))
    save("colour-16-masks.bmp", bmp(words("<H", lambda r, g, b: r >> 3 << 11 | g >> 2 << 5 | b >> 3), 16, compression=3,
                                    masks=(0xf800, 0x7e0, 0x1f)))
    save("colour-32.bmp", bmp(words("<I", lambda r, g, b: r << 16 | g << 8 | b), 32))
    save("colour-32-masks.bmp", bmp(words("<I", lambda r, g, b: b << 20 | g << 10 | r), 32, compression=3,
                                    masks=(0xff, 0x3fc00, 0xff00000)))
    save("colour-32-v4.bmp", bmp(words("<I", lambda r, g, b: 255 << 24 | r << 16 | g << 8 | b), 32, 108, 3,
                                 masks=(0xff0000, 0xff00, 0xff, 0xff000000)))
    for bits in 1, 4, 8:
        colours, indices = palette(bits)
        rows = [packed(row, bits) for row in indices]
        entries = colours + [(0, 0, 0)] * (2**bits - len(colours))
        save(f"palette-{bits}.bmp", bmp(rows, bits, table=b"".join(bytes((b, g, r, 0)) for r, g, b in entries)))
        if bits == 8:
            save("palette-8-os2.bmp", bmp(rows, 8, 12, table=b"".join(bytes((b, g, r)) for r, g, b in entries)))


# ---- JPEG, PNM ----


def ycc(r, g, b):
    return (.299 * r + .587 * g + .114 * b, 128 - .168736 * r - .331264 * g + .5 * b, 128 + .5 * r - .418688 * g - .081312 * b)


def inks(pixels):
    """Pillow stores inks inverted, as Adobe does."""
    image = Image.new("CMYK", (WIDTH, HEIGHT))
    image.putdata([tuple(255 - round(v) for v in pixel) for pixel in pixels])
    data = io.BytesIO()
    image.save(data, "JPEG", quality=95)
    return data.getvalue()


def exif(orientation, order):
    """An APP1 segment that tells of a maker and of the orientation, in byte order ">" or "<"."""
    maker = struct.pack(order + "HHI4s", 0x010f, 2, 4, b"Ink\0")
    turned = struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    tiff = {">": b"MM", "<": b"II"}[order] + struct.pack(order + "HIH", 42, 8, 2) + maker + turned + bytes(4)
    return b"\xff\xe1" + struct.pack(">H", 8 + len(tiff)) + b"Exif\0\0" + tiff


def stored(orientation):
    """The rows of COLOUR as a camera stores them that says so: upright, they begin at this corner, along this side."""
    rows = COLOUR if orientation <= 4 else [list(column) for column in zip(*COLOUR)]
    rows = rows[::-1] if orientation in (3, 4, 6, 7) else rows
    return [row[::-1] for row in rows] if orientation in (2, 3, 7, 8) else rows


def all_jpeg_and_pnm():
    ppm = lambda rows: b"P6 %d %d 255\n" % (len(rows[0]), len(rows)) + bytes(v for row in rows for p in row for v in p)
    colour = ppm(COLOUR)
    grey = b"P5 %d %d 255\n" % (WIDTH, HEIGHT) + bytes(v for row in GREY for v in row)
    save("colour-8.ppm", colour)
    save("grey-8.pgm", grey)
    save("grey-16.pgm", b"P5\n# of two bytes\n%d %d 65535\n" % (WIDTH, HEIGHT) +
         b"".join(struct.pack(">H", 257 * v) for row in GREY for v in row))

    cjpeg = lambda source, *options: subprocess.run(["cjpeg", "-quality", "95", *options], input=source, check=True,
                                                    stdout=subprocess.PIPE).stdout
    save("grey.jpg", cjpeg(grey))
    save("grey-scans.jpg", cjpeg(grey, "-progressive"))
    for factors in "1x1", "2x1", "1x2", "2x2", "4x1", "2x4":
        save(f"colour-{factors}.jpg", cjpeg(colour, "-sample", factors))
    save("colour-2x2-scans.jpg", cjpeg(colour, "-sample", "2x2", "-progressive"))
    save("colour-2x2-restarts.jpg", cjpeg(colour, "-sample", "2x2", "-restart", "1B"))
    save("colour-2x2-scans-restarts.jpg", cjpeg(colour, "-sample", "2x2", "-progressive", "-restart", "1B"))
    save("colour-rgb.jpg", cjpeg(colour, "-rgb"))
    for orientation in range(1, 9):
        turned = cjpeg(ppm(stored(orientation)), "-sample", "1x1")
        save(f"turned-{orientation}.jpg", turned[:2] + exif(orientation, "<>"[orientation % 2]) + turned[2:])
    save("inks.jpg", inks([(*pixel, 255) for row in COLOUR for pixel in row]))
    transformed = inks([(*ycc(*(255 - v for v in pixel)), 255) for row in COLOUR for pixel in row])
    adobe = transformed.index(b"Adobe") + 11
    assert transformed[adobe] == 0
    save("inks-transformed.jpg", transformed[:adobe] + b"\2" + transformed[adobe + 1:])


FOLDER.mkdir(exist_ok=True)
all_png()
all_bmp()
all_jpeg_and_pnm()
