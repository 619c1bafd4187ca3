#!/usr/bin/env bash
# Makes the small encodings that the decoder tests read, from the bundled sample clip.
# Needs ffmpeg 5 or later (with libmp3lame, libvorbis, libopus and libspeex), flac and sox.
# usage: ser-data/audio/make_encodings.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
sample=../../examples/assets/sample.wav
# The same bytes at each run: no versions, times and random serial numbers.
ff() { ffmpeg -nostdin -hide_banner -loglevel error -y "${@:1:$#-1}" -fflags +bitexact -flags:a +bitexact "${!#}"; }

# 0.3 s from the middle of a phrase: every other file is an encoding of this one.
sox "$sample" -b 16 reference.wav trim 22050s 6615s
# A few hundredths for the uncompressed formats, where size is all that length adds.
sox reference.wav short.wav trim 0 882s

sox -D short.wav -b 8 -e unsigned-integer pcm_u8.wav
sox short.wav -b 24 -e signed-integer pcm_s24.wav
sox short.wav -b 32 -e signed-integer pcm_s32.wav
sox short.wav -b 32 -e floating-point pcm_f32.wav
sox short.wav -b 64 -e floating-point pcm_f64.wav
# Six channels at 48 kHz: channel k is the clip times (k + 1) / 8, so that their order shows.
sox -D -M -v 0.125 short.wav -v 0.25 short.wav -v 0.375 short.wav -v 0.5 short.wav -v 0.625 short.wav -v 0.75 short.wav \
    -r 48000 -b 16 six_channels.wav rate 48000 trim 0 240s
# ffmpeg writes lengths of 2^32 - 1 where it cannot seek back.
ff -i short.wav -c:a pcm_s16le -f wav - > streamed.wav

flac --silent --force --best --no-padding -o lossless.flac reference.wav
ff -i reference.wav -c:a alac lossless.m4a
ff -i reference.wav -c:a libmp3lame -b:a 64k lame.mp3
# The same without the header that tells the delay.
ff -i reference.wav -c:a libmp3lame -b:a 64k -write_xing 0 -id3v2_version 0 bare.mp3
ff -i reference.wav -c:a libvorbis -q:a 6 vorbis.ogg
ff -i reference.wav -c:a aac -b:a 96k aac.m4a
# Stereo, right = -left, at 44.1 kHz.
ff -i reference.wav -af "aresample=44100,pan=stereo|c0=c0|c1=-1*c0" -c:a pcm_s16le stereo_44100.wav
flac --silent --force --best --no-padding -o stereo_44100.flac stereo_44100.wav 2>/dev/null
ff -i stereo_44100.wav -c:a libmp3lame -b:a 96k stereo_44100.mp3
rm stereo_44100.wav

# Containers beyond those that the crate promises.
ff -i short.wav short.aiff
ff -i short.wav -c:a alac alac.caf
ff -i short.wav -c:a alac -movflags frag_keyframe+empty_moov fragmented.mp4

# Codecs that are refused by name.
ff -i short.wav -c:a libopus -b:a 24k opus.ogg
ff -i short.wav -c:a libopus -b:a 24k opus.webm
ff -i short.wav -c:a ac3 -b:a 64k ac3.mp4
ff -i short.wav -ar 8000 -c:a libspeex speex.ogg

# Relatives of WAV, and codecs that the fuzzer begins with.
ff -i short.wav -c:a pcm_s16be short.au
ff -i short.wav -c:a pcm_s16le short.w64
ff -i short.wav -c:a pcm_s16le -rf64 always rf64.wav
ff -i short.wav -c:a flac flac.ogg
ff -i short.wav -c:a adpcm_ima_wav adpcm_ima.wav
ff -i short.wav -c:a adpcm_ms adpcm_ms.wav
ff -i reference.wav -c:a aac -b:a 64k adts.aac
ff -i reference.wav -c:a mp2 -b:a 64k layer2.mp2

# Sound behind pictures.
ff -f lavfi -i color=c=black:s=16x16:r=10:d=0.3 -i reference.wav -c:v libx264 -c:a aac -b:a 64k video.mp4
ff -f lavfi -i color=c=black:s=16x16:r=10:d=0.1 -i short.wav -c:v libx264 -c:a pcm_s16le video.mov
ff -f lavfi -i color=c=black:s=16x16:r=10:d=0.3 -i reference.wav -c:v libvpx -c:a libopus -b:a 32k video.webm
