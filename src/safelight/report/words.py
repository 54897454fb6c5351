"""The sentences of a report: what was done, what it means, and what it does not. Pure."""

from safelight.decode.rules import REASONS
from safelight.matching.rules import PARTIAL
from safelight.model import Verdict

NOT_COMPLETE = (
    "This scan is not complete: it has not ended, or the hashes changed while it was stopped."
    " The report covers what was examined so far and nothing else; do not take it for a report"
    " of the exhibit."
)

FIRST = (
    "A match says that a file agrees with an entry of a hash list. It is a reason to look, by"
    " people who may, and no finding of fact. What the entry stands for is what its source says."
)

VERDICTS = {
    Verdict.KNOWN: "the file, or a picture with an equal hash, is on a list",
    Verdict.SIMILAR: "a picture or video near an entry of a list",
    Verdict.NO_MATCH: "examined, and nothing near on these lists; this does not mean harmless",
    Verdict.UNREADABLE: "could not be examined; nobody knows what is in it",
    Verdict.SKIPPED: "as asked, since already graded; not looked at again",
}

CALLED = {
    Verdict.KNOWN: "known",
    Verdict.SIMILAR: "similar",
    Verdict.NO_MATCH: "no match",
    Verdict.UNREADABLE: "not checked",
    Verdict.SKIPPED: "left out",
}

METHOD = (
    "Every file below the folders named was opened for reading only and read from its first byte to"
    " its last. MD5, SHA-1 and SHA-256 of its bytes were computed and compared with those on the"
    " lists: equal digests mean the same bytes.",
    "What could be decoded as a picture was hashed by PDQ, a hash of 256 bits of what a"
    " picture looks like, in all eight ways in which it can be turned and mirrored. Two PDQ"
    " hashes are compared by counting the bits that differ. Up to the radius named below the"
    " pictures are called similar.",
    "Of videos frames were hashed in the same way; the sound was not decoded.",
    "Decoding took place in closed child processes that can open nothing, send nothing and write"
    " nothing. No picture was shown, kept or copied, and none is in this report.",
)

LIMITS = (
    "Similar does not mean the same: two different pictures can have hashes that are near,"
    " above all pictures with little in them. A person who may must compare.",
    "No match does not mean that a file is harmless. It means: not on these lists, within this"
    " radius. New pictures are on no list; a crop or a collage may be too far away.",
    "Not checked is a result of its own. It says that the file was not examined as a picture"
    " or video and only its exact bytes were compared, or not even those; the table of codes"
    " says why.",
    "Size and times are those the file system gave when the file was opened. They can have been set"
    " by anyone, and by copying.",
    "Erased files, free space and what lies between files were not searched; nor was anything that"
    " the file system does not show as a file.",
)

OF_ARCHIVES = {
    True: "Archives, mails and documents were opened, and each item in them is an item here.",
    False: "Archives, mails and documents were not opened: of them only their own bytes were"
    " compared.",
}

ACCESS_TIMES = (
    "Access times are given only where the medium was mounted read-only: elsewhere any program that"
    " reads a file may change them."
)

VERIFY = (
    "The rows that this report was made from hold nothing that differs between two honest runs. A"
    " second examiner repeats the scan on the same medium, with the same lists and versions,"
    " and gets the same file: safelight scan --verify RESULT [--at FOLDER] does that and"
    " compares. Only the number of an entry of a list in a database is another on another"
    " installation; the comparison allows for that where the list has the same digest."
    " The report too can be made again from the rows and is then the same byte for byte."
)

SCALES = (
    "Classes are the sources' own words or numbers. A class of one source says nothing about"
    " that of another."
)


_MEANINGS = {
    "confirmed_by_source": "confirmed by source",
    "source_term": "the source's own word",
}


def meaning(code: str) -> str:
    """What being on a list means; what is no code of ours is a source's word, and stays so."""
    return _MEANINGS.get(code, code)


def code_meaning(code: str) -> str:
    """What a not-checked code says; of an item checked in part, what each of its flags says."""
    if code in REASONS:
        return REASONS[code]
    texts = [PARTIAL[flag] for flag in code.split("+") if flag in PARTIAL]
    return "Checked in part: " + "; ".join(texts) + "." if texts else "Checked in part."
