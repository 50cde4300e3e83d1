"""Real sounds from packages of Debian: spoken prompts, music and noise, as arrays at 8 kHz."""

import io
import wave
from pathlib import Path
from typing import Any

import numpy

from .real_data import debian_folder

RATE = 8000

#: Samples, from -1 to 1.
Sound = numpy.ndarray[Any, numpy.dtype[numpy.float32]]


def prompt_path(name: str) -> Path:
    """Return the file of a spoken prompt of the telephone system Asterisk, by its name such as `vm-goodbye`."""
    folder = debian_folder("asterisk-core-sounds-en-wav") / "usr/share/asterisk/sounds/en_US_f_Allison"
    return folder / f"{name}.wav"


def prompts() -> list[Path]:
    """Return the files of all prompts, by name."""
    return sorted(prompt_path("goodbye").parent.rglob("*.wav"))


def music() -> list[Sound]:
    """Return the pieces of music for callers who wait, none of which is sung."""
    folder = debian_folder("asterisk-moh-opsound-wav") / "usr/share/asterisk/moh"
    return [read(path) for path in sorted(folder.glob("*.wav"))]


def read(path: Path) -> Sound:
    """Return the samples of a WAV file with one channel of 16 bits at 8 kHz."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE), path
        return (numpy.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768).astype(numpy.float32)


def wav(sound: Sound) -> bytes:
    """Return a WAV file with one channel of 16 bits."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((sound * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


#: What is said in some prompts, of those without numbers and abbreviations. Source: Asterisk's list core-sounds-en.txt.
WORDS = {
    "agent-alreadyon": "That agent is already logged on. Please enter your agent number followed by the pound key.",
    "agent-incorrect": "Login incorrect. Please enter your agent number followed by the pound key.",
    "agent-newlocation": "Please enter a new extension, followed by pound.",
    "agent-pass": "Please enter your password followed by the pound key.",
    "auth-incorrect": "Password incorrect. Please enter your password followed by the pound key.",
    "conf-getchannel": "Please enter the channel number followed by the pound key.",
    "conf-getpin": "Please enter the conference pin number.",
    "conf-invalid": "That is not a valid conference number. Please try again.",
    "conf-invalidpin": "That pin is invalid for this conference.",
    "conf-kicked": "You have been kicked from this conference",
    "conf-leaderhasleft": "The leader has left the conference.",
    "conf-noempty": "No empty conferences currently exist.",
    "conf-onlyone": "There is currently one other participant in the conference.",
    "conf-onlyperson": "You are currently the only person in this conference.",
    "conf-placeintoconf": "You will now be placed into the conference.",
    "conf-waitforleader": "The conference will begin when the leader arrives.",
    "demo-echodone": "The echo test has been completed.",
    "dir-nomatch": "No directory entries match your search.",
    "dir-nomore": "There are no more compatible entries in the directory.",
    "invalid": "I am sorry, that's not a valid extension. Please try again.",
    "pbx-invalidpark": "I am sorry, there is no call parked on that extension. Please try again.",
    "privacy-prompt": "Please enter your phone number, starting with the area code.",
    "privacy-unident": "The party you are trying to reach does not accept unidentified calls.",
    "queue-youarenext": (
        "Your call is now first in line and will be answered by the next available representative."
    ),
    "ss-noservice": "The number you have dialed is not in service. Please check the number and try again.",
    "transfer": "Please hold while I try that extension.",
    "tt-monkeysintro": "They have been carried away by monkeys",
    "tt-weasels": "Weasels have eaten our phone system",
    "vm-mismatch": "The passwords you entered and re-entered did not match. Please try again.",
    "vm-newpassword": "Please enter your new password followed by the pound key.",
    "vm-nobodyavail": "Nobody is available to take your call at the moment",
    "vm-nobox": "You cannot reply to this message because the sender does not have a mailbox",
    "vm-rec-name": "After the tone say your name and then press the pound key.",
    "vm-savefolder": "Which folder should I save the message to?",
    "vm-tmpexists": "There is a temporary greeting, which overrides your standard greetings.",
}
