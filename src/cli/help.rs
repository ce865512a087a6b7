//! The end of each command's help, after its options: an example, and what the exit codes mean.

/// An example and the exit codes of one command, with those that all commands share.
macro_rules! after_help {
    (
        $example:literal;
        $($code:literal $meaning:literal)+
        $(; no_answer $no_answer:literal)?
        $(; stopped $stopped:literal)?
    ) => {
        concat!(
            "Example:\n  ", $example, "\n\n",
            "Exit codes:\n",
            $("  ", $code, "  ", $meaning, "\n",)+
            "  2  the command line, an option or a list is wrong\n",
            $("  3  ", $no_answer, "\n",)?
            "  4  the model, the store or the speaker is missing or damaged\n",
            "  5  a file could not be read or written",
            $("\n  130  ", $stopped,)?
        )
    };
}

pub const PROGRAM: &str = after_help!(
    "spkver enroll anna anna-1.wav anna-2.wav\n  spkver verify anna call.wav";
    "0" "accepted, or done"
    "1" "rejected, or unknown";
    no_answer "no answer: a recording does not allow one, or cannot be used"
);

/// Adds how to connect a microphone to standard input.
macro_rules! with_microphone {
    ($help:expr) => {
        concat!(
            "From a microphone, until the answer is clear:\n",
            "  Linux    arecord -q -f S16_LE -r 16000 | COMMAND -\n",
            "  macOS    ffmpeg -v error -f avfoundation -i :0 -f wav - | COMMAND -\n",
            "  Windows  ffmpeg -v error -f dshow -i audio=\"Microphone\" -f wav - | COMMAND -\n",
            "  any      sox -q -d -t wav - | COMMAND -\n",
            "where COMMAND is this command without its files. The stream can be WAV, Ogg Opus, FLAC, MP3,\n",
            "or with --raw samples without a header.\n\n",
            $help
        )
    };
}

pub const ENROLL: &str = with_microphone!(after_help!(
    "spkver enroll anna anna-1.wav anna-2.wav";
    "0" "enrolled";
    no_answer "a recording cannot be used or is of another speaker; nothing was stored"
));

pub const VERIFY: &str = with_microphone!(concat!(
    "Without options, an LLR of 0 or more is accepted. This is the right threshold if\n",
    "both errors cost the same and half of the tests are by strangers. If strangers\n",
    "must not pass, give --far.\n\n",
    after_help!(
        "spkver verify --far 0.1% anna call.wav";
        "0" "accepted"
        "1" "rejected";
        no_answer "inconclusive, or the recording cannot be used"
    ),
    "\nOf several recordings, the highest code counts."
));

pub const IDENTIFY: &str = with_microphone!(concat!(
    "With N enrolled speakers, ln N is added to the threshold, and --p-target is the\n",
    "prior that the speaker is any one of them.\n\n",
    after_help!(
        "spkver identify --top 3 call.wav";
        "0" "identified"
        "1" "unknown";
        no_answer "inconclusive, or the recording cannot be used"
    ),
    "\nOf several recordings, the highest code counts."
));

pub const COMPARE: &str = after_help!(
    "spkver compare yesterday.wav today.wav";
    "0" "accepted: one speaker"
    "1" "rejected: two speakers";
    no_answer "inconclusive, or a recording cannot be used"
);

pub const EMBED: &str = after_help!(
    "spkver embed recordings/ -o embeddings.npz";
    "0" "written; a row without an embedding says why it has none";
    no_answer "a recording cannot be used; with a list or a folder: no recording can";
    stopped "interrupted (143: terminated); --resume goes on"
);

pub const SCORE: &str = after_help!(
    "spkver score trials.txt --root recordings -o scores.csv";
    "0" "written; a row without a score says why it has none";
    no_answer "no recording of the list can be used";
    stopped "interrupted (143: terminated); --resume goes on"
);

pub const LIST: &str = after_help!("spkver list anna"; "0" "listed");

pub const REMOVE: &str = after_help!("spkver remove anna"; "0" "erased");

pub const SERVE: &str = concat!(
    "Without --tokens, every program on this machine may do everything, and no other\n",
    "machine may do anything. To let others in, make a token for each of them:\n\n",
    "  spkver serve --tokens tokens --new-token desk --rights verify,identify\n",
    "  spkver serve --tokens tokens --listen 0.0.0.0:8080\n\n",
    "  curl -H \"Authorization: Bearer $TOKEN\" -F recording=@call.wav \\\n",
    "    'http://127.0.0.1:8080/v1/verify?speaker=anna'\n\n",
    "GET /openapi.json describes all routes, docs/service.md explains them.\n\n",
    after_help!(
        "spkver serve --listen 127.0.0.1:8080";
        "0" "stopped by Ctrl-C or SIGTERM, after the requests in progress"
    )
);

pub const STORE: &str = after_help!("spkver store backup --recipient age1… voices.age"; "0" "done");

pub const STORE_NEW_KEY: &str = after_help!("spkver store new-key store.key"; "0" "written");

pub const STORE_ENCRYPT: &str = after_help!(
    "spkver store encrypt --key-file store.key"; "0" "encrypted"
);

pub const STORE_REKEY: &str = after_help!(
    "spkver store rekey --key-file old.key --new-key-file new.key"; "0" "encrypted with the new key"
);

pub const STORE_DECRYPT: &str = after_help!(
    "spkver store decrypt --key-file store.key"; "0" "decrypted"
);

pub const STORE_BACKUP: &str = after_help!(
    "spkver store backup --recipient age1… voices.age"; "0" "written"
);

pub const STORE_RESTORE: &str = after_help!(
    "spkver store restore --identity me.txt voices.age"; "0" "restored"
);

pub const STORE_EXPORT: &str = after_help!("spkver store export --npy voices.npy"; "0" "written");

pub const STORE_QUERY: &str = after_help!(
    "spkver store query call.wav"; "0" "printed"; no_answer "a recording allows no query"
);

pub const STORE_IMPORT_VECTORS: &str = after_help!(
    "spkver store import-vectors embeddings.npy names.txt"; "0" "enrolled"
);

pub const MODEL: &str = after_help!("spkver model info"; "0" "done");

pub const MODEL_INFO: &str = after_help!("spkver model info --model my.safetensors"; "0" "shown");

pub const MODEL_EXPORT: &str = after_help!(
    "spkver model export --onnx network.onnx"; "0" "written"
);

pub const MODEL_IMPORT: &str = after_help!(
    "spkver model import xvec.safetensors -o model.safetensors"; "0" "written"
);

pub const MODEL_INT8: &str = after_help!(
    "spkver model int8 --model my.safetensors -o my.int8.safetensors"; "0" "written"
);

pub const TRAIN: &str = after_help!(
    "spkver train speech/ --noise noise/ -o model.safetensors";
    "0" "written, or stopped by --stop-after; the same command continues the run";
    no_answer "a recording cannot be used";
    stopped "interrupted (143: terminated); the same command continues the run"
);

pub const CALIBRATE: &str = after_help!(
    "spkver calibrate trials.txt --root recordings -o calibrated.safetensors";
    "0" "written"; no_answer "a recording cannot be used"
);

pub const EVALUATE: &str = after_help!(
    "spkver evaluate trials.txt --root recordings --report report.html";
    "0" "measured"; no_answer "a recording cannot be used"
);

pub const BENCH: &str = after_help!("spkver bench --seconds 10"; "0" "measured");

pub const COMPLETIONS: &str = after_help!(
    "spkver completions bash > ~/.local/share/bash-completion/completions/spkver"; "0" "printed"
);

pub const MAN: &str = after_help!("spkver man ~/.local/share/man/man1"; "0" "written");
