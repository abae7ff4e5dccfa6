"""An operator's phone made of pjsua2: registers, sends a tone, records what it hears.

phone.py NAME PASSWORD DOMAIN OWN_ADDRESS HERTZ FOLDER TRANSPORT MANNER; orders on standard input: accept, hold, resume, update, codec NAME, hangup,
dial URI, "replace URI DIALOG" (dials with Replaces), digits DIGITS (RFC 4733), transfer URI (the call of last), join (the first call and the last, by an attended transfer), quit, "watch NAME" (a colleague's
presence), "write NAME TEXT".
MANNER is plain, strict or srtp. A strict one takes no call without 100rel and session timers, one with srtp no plain sound.
Prints one event a line: registered, "incoming URI", established, "media active CODEC", "media hold", updated, closed,
"buddy NAME STATUS NOTE", "digit X", "transfer CODE",
"told P-Asserted-Identity: …" (of an UPDATE), "text URI TYPE TEXT", "written CODE".
"""

import math
import queue
import struct
import sys
import threading
import wave

import pjsua2 as pj

name, password, domain, own, hertz, folder, transport, manner = sys.argv[1:9]
orders = queue.Queue()


def say(text):
    print("EVENT " + text, flush=True)


def tone_file():
    """A minute of the tone as WAV: the player leaves a gap where it begins again. A second has whole periods."""
    path = f"{folder}/tone.wave"
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        step = 2 * math.pi * int(hertz) / 8000
        file.writeframes(60 * b"".join(struct.pack("<h", int(8000 * math.sin(step * n))) for n in range(8000)))
    return path


TONE = tone_file()


class Call(pj.Call):
    def __init__(self, account, number, call_id=pj.PJSUA_INVALID_ID):
        super().__init__(account, call_id)
        self.number = number
        self.tone = self.recorder = self.sound = None
        self.over = False

    def onCallState(self, _):
        state = self.getInfo().state
        if state == pj.PJSIP_INV_STATE_CONFIRMED:
            say("established")
        elif state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.over = True
            say("closed")

    def onCallTsxState(self, change):
        happened = change.e.body.tsxState
        transaction = happened.tsx
        if transaction.method == "UPDATE" and happened.type == pj.PJSIP_EVENT_RX_MSG:
            for line in happened.src.rdata.wholeMsg.splitlines():
                if line.startswith("P-Asserted-Identity: "):
                    say("told " + line)
        if transaction.method == "UPDATE" and transaction.statusCode == 200:
            say("updated")

    def onDtmfDigit(self, pressed):
        say("digit " + pressed.digit)

    def onCallTransferStatus(self, status):
        say(f"transfer {status.statusCode}")

    def onCallMediaState(self, _):
        # The list lives no longer than what it is a part of.
        info = self.getInfo()
        for index, media in enumerate(info.media):
            if media.type != pj.PJMEDIA_TYPE_AUDIO:
                continue
            if media.status != pj.PJSUA_CALL_MEDIA_ACTIVE:
                say("media hold")
                continue
            say("media active " + self.getStreamInfo(index).codecName)
            sound = self.getAudioMedia(index)
            if self.tone is None:
                self.tone = pj.AudioMediaPlayer()
                self.tone.createPlayer(TONE)
                self.recorder = pj.AudioMediaRecorder()
                self.recorder.createRecorder(f"{folder}/call-{self.number:02}.wav")
            self.tone.startTransmit(sound)
            sound.startTransmit(self.recorder)
            self.sound = sound


class Colleague(pj.Buddy):
    changed = False

    def onBuddyState(self):
        # What there is to know can be asked only after this has returned.
        self.changed = True

    def tell(self):
        self.changed = False
        # The status lives no longer than what it is a part of.
        info = self.getInfo()
        words = {pj.PJSUA_BUDDY_STATUS_ONLINE: "online", pj.PJSUA_BUDDY_STATUS_OFFLINE: "offline"}
        user = info.uri.split("@")[0].removeprefix("sip:")
        say(f"buddy {user} {words.get(info.presStatus.status, 'unknown')} {info.presStatus.statusText}")


class Account(pj.Account):
    def __init__(self):
        super().__init__()
        self.calls = []
        self.colleagues = {}

    def colleague(self, user, watched):
        if user not in self.colleagues:
            settings = pj.BuddyConfig()
            settings.uri = f"sip:{user}@{domain}"
            settings.subscribe = watched
            self.colleagues[user] = Colleague()
            self.colleagues[user].create(self, settings)
        return self.colleagues[user]

    def writes(self, user, text):
        message = pj.SendInstantMessageParam()
        message.contentType, message.content = "text/plain", text
        self.colleague(user, False).sendInstantMessage(message)

    def onInstantMessage(self, message):
        say(f"text {message.fromUri} {message.contentType} {message.msgBody}")

    def onInstantMessageStatus(self, status):
        say(f"written {status.code}")

    def onRegState(self, state):
        if state.code == 200:
            say("registered")

    def onIncomingCall(self, incoming):
        call = Call(self, len(self.calls), incoming.callId)
        self.calls.append(call)
        ringing = pj.CallOpParam()
        ringing.statusCode = 180
        call.answer(ringing)
        say("incoming " + call.getInfo().remoteUri)


def read():
    for line in sys.stdin:
        orders.put(line.strip())
    orders.put("quit")


def speak(endpoint, name):
    for codec in endpoint.codecEnum2():
        endpoint.codecSetPriority(codec.codecId, 255 if codec.codecId.startswith(name) else 0)


def main():
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    config = pj.EpConfig()
    config.logConfig.level = config.logConfig.consoleLevel = 3
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    config.medConfig.clockRate = config.medConfig.sndClockRate = 8000
    config.medConfig.noVad = True
    config.medConfig.sndAutoCloseTime = -1
    endpoint.libInit(config)
    endpoint.audDevManager().setNullDev()
    listener = pj.TransportConfig()
    listener.boundAddress, listener.port = own, 5060
    kinds = {"udp": pj.PJSIP_TRANSPORT_UDP, "tcp": pj.PJSIP_TRANSPORT_TCP, "tls": pj.PJSIP_TRANSPORT_TLS}
    endpoint.transportCreate(kinds[transport], listener)
    endpoint.libStart()
    speak(endpoint, "PCMA")
    # A steady tone would be taken for background noise.
    for codec in ("PCMA/8000/1", "PCMU/8000/1"):
        plain = endpoint.codecGetParam(codec)
        plain.setting.vad = False
        endpoint.codecSetParam(codec, plain)
    settings = pj.AccountConfig()
    settings.idUri = f"sip:{name}@{domain}"
    place = {"udp": "", "tcp": ";transport=tcp", "tls": ":5061;transport=tls"}[transport]
    settings.regConfig.registrarUri = f"sip:{domain}{place}"
    settings.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", name, 0, password))
    settings.mediaConfig.transportConfig.boundAddress = own
    if manner == "strict":
        settings.callConfig.prackUse = pj.PJSUA_100REL_MANDATORY
        settings.callConfig.timerUse = pj.PJSUA_SIP_TIMER_REQUIRED
    if manner == "srtp":
        settings.mediaConfig.srtpUse = pj.PJMEDIA_SRTP_MANDATORY
        settings.mediaConfig.srtpSecureSignaling = 1 if transport == "tls" else 0
    account = Account()
    account.create(settings)
    threading.Thread(target=read, daemon=True).start()
    order = ""
    while order != "quit":
        endpoint.libHandleEvents(20)
        for colleague in account.colleagues.values():
            if colleague.changed:
                colleague.tell()
        try:
            order = orders.get_nowait()
        except queue.Empty:
            continue
        order, _, rest = order.partition(" ")
        if order == "watch":
            account.colleague(rest, True)
        elif order == "write":
            account.writes(*rest.split(" ", 1))
        live = [call for call in account.calls if not call.over]
        call = live[-1] if live else None
        parameters = pj.CallOpParam()
        parameters.statusCode = 200 if order == "accept" else 603
        if call and order == "accept":
            call.answer(parameters)
        elif call and order == "hangup":
            call.hangup(parameters)
        elif call and order == "hold":
            call.setHold(pj.CallOpParam(True))
        elif call and order in ("resume", "update"):
            parameters = pj.CallOpParam(True)
            if order == "resume":
                parameters.opt.flag |= pj.PJSUA_CALL_UNHOLD
                call.reinvite(parameters)
            else:
                call.update(parameters)
        elif call and order == "codec":
            speak(endpoint, rest)
            call.reinvite(pj.CallOpParam(True))
        elif order == "dial":
            account.calls.append(Call(account, len(account.calls)))
            account.calls[-1].makeCall(rest, pj.CallOpParam(True))
        elif order == "replace":
            whom, dialog = rest.split(" ", 1)
            parameters = pj.CallOpParam(True)
            header = pj.SipHeader()
            header.hName, header.hValue = "Replaces", dialog
            parameters.txOption.headers.append(header)
            account.calls.append(Call(account, len(account.calls)))
            account.calls[-1].makeCall(whom, parameters)
        elif call and order == "digits":
            call.dialDtmf(rest)
        elif call and order == "transfer":
            call.xfer(rest, pj.CallOpParam(True))
        elif call and order == "join":
            live[0].xferReplaces(call, pj.CallOpParam(True))
    account.calls.clear()
    account.colleagues.clear()
    endpoint.libDestroy()


main()
