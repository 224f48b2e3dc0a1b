"""Packets that a decoder can do without: none of their pictures is ever referred to by another.

H.264 marks such pictures in the header of each of their units (ITU-T H.264, 7.4.1: nal_ref_idc), H.265 by the unit's
type (ITU-T H.265, 7.4.2.2: sub-layer non-reference pictures). Only what is certain counts. There are none here in
streams that may be coded in fields, since one frame may then be two packets, in H.265 with temporal sub-layers, since
upper ones may refer to such pictures of lower ones, and in all other codecs.
"""

from __future__ import annotations

from collections.abc import Iterator

import av

_H264_SLICE, _H264_SPS = 1, 7
_H264_BESIDE_PICTURES = {6, 9, 12}
"""Messages, delimiters, filler."""
_H265_SPS = 33
_H265_NOT_REFERRED_TO = {0, 2, 4, 6, 8}
"""TRAIL_N, TSA_N, STSA_N, RADL_N, RASL_N."""
_H265_BESIDE_PICTURES = {35, 38, 39, 40}
"""Delimiters, filler, messages before and after."""
_WITH_CHROMA_FORMAT = {44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244}
"""H.264 profiles whose parameter sets say how colours are sampled."""


class DisposablePackets:
    """Tells which packets of one stream are disposable. Packets must come in the order of decoding.

    Args:
        codec: The stream's codec, with its parameter sets as the container states them.
    """

    def __init__(self, codec: av.VideoCodecContext) -> None:
        self._name = codec.name
        extradata = bytes(codec.extradata or b"")
        self._length_bytes = 0
        """Bytes of the length before each unit; 0 where start codes separate them."""
        self._certain: bool | None = None
        """What the parameter sets so far allow; None before the first."""
        known = {"h264": (7, 4), "hevc": (23, 21)}.get(self._name)
        if known is None:
            self._certain = False
        elif len(extradata) >= known[0] and extradata[0] == 1:
            self._length_bytes = (extradata[known[1]] & 3) + 1
            sets = _sets_of_avc(extradata) if self._name == "h264" else _sets_of_hevc(extradata)
            for unit in sets:
                self._note(unit)
        else:
            for part in self._units(memoryview(extradata)):
                self._note(bytes(part))

    @property
    def certain(self) -> bool:
        """Whether packets are whole frames and say whether they are referred to, by the parameter sets so far."""
        return bool(self._certain)

    def is_disposable(self, packet: av.Packet) -> bool:
        """Whether no picture refers to any picture of a packet. False wherever that is not certain."""
        if self._certain is False:
            return False
        pictures = 0
        for unit in self._units(memoryview(packet)):
            if not self._allows(unit):
                return False
            pictures += self._is_picture(unit)
        return self.certain and pictures > 0

    def _allows(self, unit: memoryview) -> bool:
        if len(unit) < 3:
            return False
        if self._name == "h264":
            kind, referred_to = unit[0] & 31, unit[0] >> 5 & 3
            if kind == _H264_SPS:
                self._note(bytes(unit))
            return kind in _H264_BESIDE_PICTURES or (kind == _H264_SLICE and not referred_to)
        kind, layer = unit[0] >> 1 & 63, (unit[0] & 1) << 5 | unit[1] >> 3
        if kind == _H265_SPS:
            self._note(bytes(unit))
        return not layer and (kind in _H265_BESIDE_PICTURES or kind in _H265_NOT_REFERRED_TO)

    def _is_picture(self, unit: memoryview) -> bool:
        return unit[0] & 31 == _H264_SLICE if self._name == "h264" else unit[0] >> 1 & 63 < 32

    def _note(self, unit: bytes) -> None:
        """Reads a unit, if it is a sequence parameter set."""
        certain: bool | None = None
        if self._name == "h264" and unit[:1] and unit[0] & 31 == _H264_SPS:
            certain = _in_whole_frames(unit)
        elif self._name == "hevc" and len(unit) > 2 and unit[0] >> 1 & 63 == _H265_SPS:
            certain = not unit[2] >> 1 & 7  # sps_max_sub_layers_minus1
        if certain is not None:
            self._certain = certain and self._certain is not False

    def _units(self, data: memoryview) -> Iterator[memoryview]:
        """The units of a packet; an empty one where the packet is not made of units."""
        if not self._length_bytes:
            yield from _between_start_codes(data)
            return
        at = 0
        while at < len(data):
            start = at + self._length_bytes
            at = start + int.from_bytes(data[at:start], "big")
            yield data[start:at] if start < at <= len(data) else data[:0]


def _between_start_codes(data: memoryview) -> Iterator[memoryview]:
    raw = bytes(data)
    start = raw.find(b"\0\0\1")
    if start < 0 or any(raw[:start]):
        yield data[:0]
    while start >= 0:
        after = raw.find(b"\0\0\1", start + 3)
        yield data[start + 3 : after if after >= 0 else len(raw)]
        start = after


def _sets_of_avc(extradata: bytes) -> Iterator[bytes]:
    """Sequence parameter sets of an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1)."""
    at = 6
    for _ in range(extradata[5] & 31):
        length = int.from_bytes(extradata[at : at + 2], "big")
        yield extradata[at + 2 : at + 2 + length]
        at += 2 + length


def _sets_of_hevc(extradata: bytes) -> Iterator[bytes]:
    """All parameter sets of an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, 8.3.3.1)."""
    at = 23
    for _ in range(extradata[22]):
        if at >= len(extradata):
            return
        count, at = int.from_bytes(extradata[at + 1 : at + 3], "big"), at + 3
        for _ in range(count):
            length = int.from_bytes(extradata[at : at + 2], "big")
            yield extradata[at + 2 : at + 2 + length]
            at += 2 + length


class _Bits:
    """Reads the bits of a unit's content (ITU-T H.264, 7.2 and 9.1)."""

    def __init__(self, content: bytes) -> None:
        plain = content.replace(b"\0\0\3", b"\0\0")  # bytes put in against false start codes
        self._bits, self._at = "".join(f"{byte:08b}" for byte in plain), 0

    def take(self, count: int) -> int:
        """An unsigned number of so many bits.

        Raises:
            ValueError: The bits are at an end.
        """
        self._at += count
        if self._at > len(self._bits):
            raise ValueError("the bits are at an end")
        return int(self._bits[self._at - count : self._at], 2)

    def golomb(self) -> int:
        """An unsigned exponential Golomb code; of a signed one, only the length is right.

        Raises:
            ValueError: The bits are at an end.
        """
        zeros = self._bits.index("1", self._at) - self._at
        self._at += zeros
        return self.take(zeros + 1) - 1


def _in_whole_frames(unit: bytes) -> bool:
    """Whether an H.264 sequence parameter set rules out fields (frame_mbs_only_flag; ITU-T H.264, 7.3.2.1.1)."""
    bits = _Bits(unit[4:])
    try:
        bits.golomb()  # seq_parameter_set_id
        if unit[1] in _WITH_CHROMA_FORMAT:
            if bits.golomb() == 3:
                bits.take(1)  # separate_colour_plane_flag
            bits.golomb(), bits.golomb(), bits.take(1)  # depths, qpprime_y_zero_transform_bypass_flag
            if bits.take(1):
                return False  # scaling lists, which are not read here
        bits.golomb()  # log2_max_frame_num_minus4
        order = bits.golomb()
        if order == 0:
            bits.golomb()  # log2_max_pic_order_cnt_lsb_minus4
        elif order == 1:
            bits.take(1), bits.golomb(), bits.golomb()
            for _ in range(bits.golomb()):
                bits.golomb()
        bits.golomb(), bits.take(1), bits.golomb(), bits.golomb()  # references, gaps, width, height
        return bool(bits.take(1))
    except (ValueError, IndexError):
        return False
