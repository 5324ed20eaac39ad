#!/usr/bin/python3
"""Makes signatures.json: attacks on RSA signatures and on tokens, each with its verdict.

    generate_signatures.py           writes it
    generate_signatures.py --check   exit status 1 when the file isn't what this would write

Each vector names the classes that it stands for. The names are the flags of Project Wycheproof's vectors
for RSA PKCS #1 v1.5 and for JSON Web Signatures, or their comments where they have no flag, so that a test
can tell whether every class there has a vector here. Keys and messages are this project's own.
"""

import hashlib
import json
import sys

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from generate import FIRST, HERE, STRANGER, Key, base64url, claims, compact, flip, forged_hs256

FILE = HERE / "signatures.json"
SIZE = 256
MESSAGE = b"Global Billing"
SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")
ES256_CLASSES = ["BufferOverflow", "IntegerOverflow", "RisTooBig", "SisTooBig"] + [
    f"rIs{r}_sIs{s}" for r in ("N", "Nminus1", "One", "Zero") for s in ("N", "Nminus1", "One", "Zero")]


def digest_info(prefix=SHA256, message=MESSAGE):
    """The DER text of a digest: algorithm and SHA-256."""
    return prefix + hashlib.sha256(message).digest()


def encoded(content, start=b"\x00\x01", filler=b"\xff", end=b"\x00"):
    """The block that RSA encrypts: start, filler, end, content."""
    return start + filler * (SIZE - len(start) - len(end) - len(content)) + end + content


def raw_sign(block, key=FIRST):
    """The block to the power of the private exponent."""
    numbers = key.private.private_numbers()
    number = pow(int.from_bytes(block, "big"), numbers.d, numbers.public_numbers.n)
    return number.to_bytes(SIZE, "big")


def public_pem(modulus, exponent):
    """A public key of these numbers."""
    key = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    return key.public_bytes(serialization.Encoding.PEM,
                            serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def edge_keys():
    """(modulus of a small signature, that signature, modulus of one near the modulus, that signature).

    With the exponent 3 a modulus can be chosen for a signature s: s^3 is the block plus the modulus, or
    (n - k)^3 = -k^3 is the block minus n. Nobody knows the factors; checking needs none."""
    block = int.from_bytes(encoded(digest_info()), "big")
    small = near = (1 << 683) - 1
    while not ((small ** 3 - block) % 2 and (small ** 3 - block).bit_length() == 8 * SIZE):
        small -= 1 << 660 | 1
    while not ((block + near ** 3) % 2 and (block + near ** 3).bit_length() == 8 * SIZE):
        near -= 1 << 660 | 1
    return small ** 3 - block, small, block + near ** 3, block + near ** 3 - near


def rsa_vectors():
    """(name, classes, PEM of the key, signature, result)."""
    pem, info = FIRST.pem, digest_info()
    modulus = FIRST.private.private_numbers().public_numbers.n
    good = raw_sign(encoded(info))
    number = int.from_bytes(good, "big")
    small_n, small, near_n, near = edge_keys()
    three = Key("exponent-3")
    yield "good", ["valid"], pem, good, "valid"
    yield "exponent 3", ["SmallPublicKey"], three.pem, raw_sign(encoded(info), three), "valid"
    yield "small signature", ["SmallSignature"], public_pem(small_n, 3), small.to_bytes(SIZE, "big"), \
        "valid"
    yield "signature near the modulus", ["EdgeCaseSignature"], public_pem(near_n, 3), \
        near.to_bytes(SIZE, "big"), "valid"
    long_form = b"\x30\x81\x31" + info[2:]
    yield "length in the long form", ["BerEncodedPadding"], pem, raw_sign(encoded(long_form)), "invalid"
    endless = b"\x30\x80" + info[2:] + b"\x00\x00"
    yield "length without an end", ["BerEncodedPadding"], pem, raw_sign(encoded(endless)), "invalid"
    for place, name in ((0, "no sequence"), (4, "another tag than an object id"), (8, "another object id"),
                        (17, "another tag than an octet string"), (18, "a wrong length of the digest")):
        changed = info[:place] + bytes([info[place] ^ 1]) + info[place + 1:]
        yield name, ["InvalidAsnInPadding"], pem, raw_sign(encoded(changed)), "invalid"
    yield "bytes behind the digest", ["InvalidAsnInPadding"], pem, raw_sign(encoded(info + b"\x00")), \
        "invalid"
    yield "no NULL", ["MissingNull"], pem, raw_sign(encoded(
        bytes.fromhex("302f300b0609608648016503040201") + b"\x04\x20" + info[-32:])), "acceptable"
    yield "block of type 2", ["InvalidPadding"], pem, raw_sign(encoded(info, b"\x00\x02")), "invalid"
    yield "no padding", ["InvalidPadding"], pem, raw_sign(encoded(info, b"", b"\x00", b"")), "invalid"
    yield "filler of zeros", ["InvalidPadding", "ModifiedPadding"], pem, raw_sign(encoded(
        info, filler=b"\x00")), "invalid"
    middle = bytearray(encoded(info))
    middle[100] = 0xfe
    yield "one byte of the filler", ["ModifiedPadding"], pem, raw_sign(bytes(middle)), "invalid"
    yield "no zero behind the filler", ["ModifiedPadding"], pem, raw_sign(encoded(info, end=b"\xff")), \
        "invalid"
    short = b"\x00\x01" + b"\xff" * 8 + b"\x00" + info
    yield "short filler, bytes behind", ["ShortPadding"], pem, raw_sign(short.ljust(SIZE, b"\x00")), \
        "invalid"
    yield "short filler, zeros before", ["ShortPadding"], pem, raw_sign(short.rjust(SIZE, b"\x00")), \
        "invalid"
    yield "digest without its name", ["NoHash"], pem, raw_sign(encoded(info[-32:])), "invalid"
    yield "message without digest", ["NoHash"], pem, raw_sign(encoded(MESSAGE)), "invalid"
    for algorithm in (hashes.SHA1(), hashes.SHA384(), hashes.SHA512()):
        yield algorithm.name, ["WrongHash"], pem, FIRST.private.sign(
            MESSAGE, padding.PKCS1v15(), algorithm), "invalid"
    yield "RSASSA-PSS", ["WrongPrimitive"], pem, FIRST.private.sign(
        MESSAGE, padding.PSS(padding.MGF1(hashes.SHA256()), 0), hashes.SHA256()), "invalid"
    for name, value in (("zero", 0), ("one", 1), ("modulus less one", modulus - 1), ("modulus", modulus)):
        yield name, ["InvalidSignature"], pem, value.to_bytes(SIZE, "big"), "invalid"
    yield "empty", ["InvalidSignature"], pem, b"", "invalid"
    yield "signature plus modulus", ["SignatureMalleability"], pem, \
        (number + modulus).to_bytes(SIZE + 1, "big"), "invalid"
    yield "zero before", ["SignatureMalleability"], pem, b"\x00" + good, "invalid"
    yield "zero behind", ["SignatureMalleability"], pem, good + b"\x00", "invalid"


def signed(head, payload, signature=None):
    """A token of these two texts as they stand, signed over them unless a signature is given."""
    text = f"{head}.{payload}"
    made = FIRST.private.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{text}.{base64url(made if signature is None else signature)}"


def spare_bits(payload):
    """Another spelling in base64url of the same bytes."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(payload) % 4
    return payload[:-1] + alphabet[alphabet.index(payload[-1]) + 1]


def token_vectors():
    """(name, classes, token, reason of the verdict)."""
    text = compact(claims())
    text += " " * (len(text.encode()) % 3 == 0)
    good = FIRST.sign(text)
    head, payload, signature = good.split(".")
    bytes_of = f"{head}.{payload}".encode()
    malformed, wrong = "license_malformed", "license_signature_invalid"

    def other_head(**changes):
        return base64url(compact({"alg": "RS256", "typ": "JWT", "kid": FIRST.kid, **changes}).encode())

    yield "good", ["valid"], good, "license_valid"
    yield "blanks in all parts", ["spacesInHeader", "spacesInPayload", "rejectsSpacesInMac"], \
        f"{head[:9]} {head[9:]}.{payload[:9]}\n{payload[9:]}.{signature[:9]}\t{signature[9:]}", \
        "license_valid"
    yield "nothing", ["rejectsEmptyString"], "", malformed
    yield "no header", ["rejectsMissingHeader"], f".{payload}.{signature}", malformed
    yield "no header, no dot", ["rejectsMissingHeaderAndSeparator", "rejectsMissingPayloadAndSeparator"], \
        f"{payload}.{signature}", malformed
    yield "payload alone", ["rejectsMissingHeaderAndSignature"], f".{payload}.", malformed
    yield "payload alone, no dots", ["rejectsMissingHeaderSignatureAndSeparator",
                                     "rejectsMissingHeaderSignatureAndSeparators"], payload, malformed
    yield "no payload", ["rejectsMissingPayload"], f"{head}..{signature}", malformed
    yield "no signature", ["rejectsMissingSignature"], f"{head}.{payload}.", malformed
    yield "no signature, no dot", ["rejectsMissingSignatureAndSeparator"], f"{head}.{payload}", malformed
    yield "a fourth part", ["rejectsExtraComponent"], f"{good}.{signature}", malformed
    yield "an empty fourth part", ["rejectsExtraEmptyComponent"], f"{good}.", malformed
    yield "JSON serialization", ["JsonSerialization"], compact(
        {"protected": head, "payload": payload, "signature": signature}), malformed
    yield "alg none", ["AlgIsNone"], f"{other_head(alg='none')}.{payload}.{signature}", \
        "license_algorithm_invalid"
    yield "alg none, no signature", ["AlgIsNone", "rejectsNoneAlgorithmAndMissingSignature"], \
        f"{other_head(alg='none')}.{payload}.", "license_algorithm_invalid"
    yield "HS256 under the public key", [
        "rejectsSymmetryConfusionAttacks_aesKeyFromEcVerificationKeyBytes"], forged_hs256(), \
        "license_algorithm_invalid"
    yield "ES256", ES256_CLASSES, signed(other_head(alg="ES256"), payload, bytes(64)), \
        "license_algorithm_invalid"
    yield "a key in the header", ["rejectsAttackerProvidedEmbeddedJwk"], STRANGER.sign(
        claims(), header={"kid": FIRST.kid, "jwk": STRANGER.jwk}), malformed
    yield "RSASSA-PSS under RS256", ["WrongPrimitive"], signed(head, payload, FIRST.private.sign(
        bytes_of, padding.PSS(padding.MGF1(hashes.SHA256()), 0), hashes.SHA256())), wrong
    yield "PS256", ["WrongPrimitive"], signed(other_head(alg="PS256"), payload, FIRST.private.sign(
        bytes_of, padding.PSS(padding.MGF1(hashes.SHA256()), 0), hashes.SHA256())), \
        "license_algorithm_invalid"
    info = digest_info(message=bytes_of)
    yield "filler of zeros", ["ModifiedPadding"], signed(head, payload, raw_sign(encoded(
        info, filler=b"\x00"))), wrong
    yield "short filler", ["ModifiedPadding"], signed(head, payload, raw_sign(
        (b"\x00\x01" + b"\xff" * 8 + b"\x00" + info).ljust(SIZE, b"\x00"))), wrong
    yield "changed signature", ["ModifiedSignature", "rejectsModifiedSignature"], flip(good, 2), wrong
    yield "zero behind the signature", ["SignatureTooLong", "TrailingZeros"], signed(
        head, payload, raw_sign(encoded(info)) + b"\x00"), wrong
    yield "changed header", ["rejectsModifiedHeader"], ".".join(
        [base64url(json.dumps(FIRST_HEADER).encode()), payload, signature]), wrong
    yield "changed payload", ["rejectsModifiedPayload"], ".".join(
        [head, base64url(compact(claims(plan="enterprise")).encode()), signature]), wrong
    yield "signed before encoding", ["MacOfIncorrectlyEncodedMessage"], signed(
        head, payload, FIRST.private.sign(f"{compact(FIRST_HEADER)}.{text}".encode(),
                                          padding.PKCS1v15(), hashes.SHA256())), wrong
    yield "padded signature", ["invalidBase64Padding"], good + "==", malformed
    yield "padded payload", ["invalidBase64PaddingInPayload"], signed(head, payload + "="), malformed
    yield "spare bits of the payload", ["ModifiedUnusedBitsInPayload"], signed(
        head, spare_bits(payload)), malformed
    yield "an alien character in the header", ["invalidCharactersInHeader",
                                               "InvalidCharacterInsertedInHeader"], \
        signed(head[:9] + "!" + head[9:], payload), malformed
    yield "an alien character in the payload", ["InvalidCharacterInPayload", "invalidCharactersInPayload",
                                                "InvalidCharacterInsertedInPayload"], \
        signed(head, payload[:9] + "!" + payload[9:]), malformed
    yield "an alien character in the signature", [
        "rejectsInvalidCharacters", "rejectsInvalidCharacterInsertedInMac",
        "rejects0ReplacedbyInvalidCharacter"], f"{head}.{payload}.{signature[:9]}!{signature[9:]}", malformed


FIRST_HEADER = {"alg": "RS256", "typ": "JWT", "kid": FIRST.kid}


def key_vectors():
    """(name, classes, JWK): keys for other uses, which a set of keys for licences leaves out."""
    yield "for encryption", ["rejectWrongUse"], {**FIRST.jwk, "use": "enc"}
    yield "not for verifying", ["rejectWrongKeyOps"], {**FIRST.jwk, "key_ops": ["encrypt"]}


def document():
    return {
        "about": "Attacks on signatures and tokens. Made by generate_signatures.py from keys that are "
                 "public and protect nothing.",
        "message": MESSAGE.hex(),
        "jwks": compact({"keys": [FIRST.jwk]}),
        "signatures": [{"name": name, "classes": classes, "key": pem, "signature": signature.hex(),
                        "result": result} for name, classes, pem, signature, result in rsa_vectors()],
        "tokens": [{"name": name, "classes": classes, "token": token, "reason": reason}
                   for name, classes, token, reason in token_vectors()],
        "sets": [{"name": name, "classes": classes, "jwks": compact({"keys": [jwk]})}
                 for name, classes, jwk in key_vectors()],
    }


def main():
    text = json.dumps(document(), indent=1, ensure_ascii=False) + "\n"
    if sys.argv[1:] == ["--check"]:
        if FILE.read_text(encoding="utf-8") == text:
            return
        sys.exit("tests/vectors/signatures.json isn't what generate_signatures.py makes")
    FILE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
