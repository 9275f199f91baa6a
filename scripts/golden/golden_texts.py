"""Write the golden corpus: texts.jsonl, in a stable order.

Run by hand: python golden_texts.py TOKENIZER_JSON > ../../golden/all-MiniLM-L6-v2/texts.jsonl
The tokenizer is needed for the length ladder alone.
"""

import base64
import json
import sys
import unicodedata as ud

from tokenizers import Tokenizer

EVERYDAY = """How do I reset my password if I no longer have access to my email?
The parcel was left with a neighbour, but nobody answered the door.
Can I change the delivery address after the order has shipped?
My invoice shows two charges for the same month.
The app crashes whenever I open the camera.
Please cancel my subscription at the end of the billing period.
Where can I download last year's tax statement?
The discount code is rejected at checkout.
I was promised a refund within five working days.
The left earbud is quieter than the right one.
Battery life dropped sharply after the latest update.
Does this jacket run small, or should I order my usual size?
The colour in the photo looks nothing like the real thing.
Great value for the money; I would buy it again.
This product broke after two days and support never replied.
I absolutely loved this film; the acting was superb.
The second half of the novel drags, but the ending is worth it.
The soup was cold and the waiter forgot our drinks.
Quiet room, friendly staff, and an excellent breakfast.
The hotel is a ten minute walk from the central station.
Interest rates were raised by a quarter of a point on Wednesday.
The central bank expects inflation to ease by spring.
Shares fell sharply after the company cut its forecast.
Our quarterly revenue grew twelve percent year over year.
The merger still needs approval from the regulators.
Parliament passed the budget by a narrow majority.
Thousands marched through the capital in protest.
Heavy rain flooded several villages in the valley.
The volcano erupted for the third time this year.
Scientists reported the warmest October on record.
The home side equalised in the final minute of extra time.
She won the marathon in just under two and a half hours.
He scored a hat-trick in the first half.
The match was abandoned because of fog.
Patient presents with acute chest pain radiating to the left arm.
Take one tablet twice a day with food.
The biopsy showed no sign of malignancy.
Vaccination reduces the risk of severe illness.
High blood pressure often has no symptoms.
The fracture will need six weeks in plaster.
The contract shall terminate upon thirty days' written notice.
The court dismissed the appeal with costs.
Neither party shall be liable for events beyond its control.
The tenant must return the keys on the last day of the lease.
All disputes shall be settled by binding arbitration.
The witness recognised the defendant at once.
Heat oil in a pan, add garlic and fry until golden.
Add two cups of flour and mix well.
Let the dough rest under a cloth for an hour.
Season with salt, pepper and a squeeze of lemon.
Bake at a moderate heat until a skewer comes out clean.
Photosynthesis converts light energy into chemical energy stored in glucose.
The mitochondrion is the powerhouse of the cell.
Black holes emit radiation and slowly evaporate.
Water expands when it freezes.
Sound travels faster through steel than through air.
The Moon's gravity causes the tides.
Plate tectonics explains the drift of continents.
A prime number has exactly two divisors.
What is the capital of Australia?
Canberra is the capital city of Australia.
Sydney is the largest city in Australia.
Who wrote the music for the ballet?
When was the printing press invented?
Why is the sky blue?
How many bones does an adult have?
Which river flows through Budapest?
The train to Edinburgh departs from platform four.
Your flight has been delayed by two hours.
Turn left at the traffic lights and follow the river.
The bridge is closed to lorries.
A cyclist was hurt when a car door opened.
The ferry does not run in winter.
How do I merge two branches without losing commits?
The function returns nothing when the list is empty.
Our nightly backup failed because the disk was full.
The server refuses connections on port 443.
Cache invalidation is harder than it looks.
The test passes on my machine but not in the pipeline.
Use an index to make this query faster.
Please review my pull request before Friday.
The meeting was moved to half past three.
Could you send me the slides from yesterday?
I am out of the office until Monday.
Thank you for your patience.
Happy birthday, and many more to come!
The cat slept on the warm windowsill all afternoon.
Children played football in the empty street.
An old man fed the pigeons in the park.
She sells sea shells by the sea shore.
To be, or not to be, that is the question.
The quick brown fox jumps over the lazy dog.
It was the best of times, it was the worst of times.
I would rather walk than wait for the bus.
Nobody told us that the shop had moved.""".split("\n")

LANGUAGES = {
    "german": ["Die Lieferung kommt morgen früh gegen acht Uhr an.", "Wie viel kostet eine Fahrkarte nach Köln?"],
    "french": ["La recette demande trois œufs et une pincée de sel.", "Où se trouve la gare la plus proche ?"],
    "spanish": ["¿Dónde puedo cambiar mi contraseña?", "El niño pequeño jugaba en la montaña."],
    "turkish": ["İstanbul'da hava bugün çok ılık.", "Işık hızı nedir?"],
    "vietnamese": ["Tôi muốn đặt một bát phở.", "Thời tiết hôm nay rất đẹp."],
    "russian": ["Привет, как дела? Давно не виделись.", "Ёлка стоит в большом зале."],
    "greek": ["Καλημέρα κόσμε, τι κάνεις;", "Ο ΟΔΥΣΣΕΥΣ ταξίδεψε δέκα χρόνια."],
    "arabic": ["مرحبا بالعالم، كيف حالك اليوم؟", "السَّلامُ عليكم ورحمة الله"],
    "hebrew": ["שלום עולם", "שָׁלוֹם וברכה לכולם"],
    "hindi": ["नमस्ते दुनिया, आप कैसे हैं?", "क्षत्रिय योद्धा बहुत वीर था।"],
    "thai": ["สวัสดีชาวโลก", "วันนี้อากาศดีมาก"],
    "chinese": ["机器学习模型需要大量的训练数据。", "今天的天气很好,我们去公园吧。"],
    "japanese": ["今日はとても暑いので水をたくさん飲みましょう。", "ｶﾞｷﾞ ガギグ がぎぐ"],
    "korean": ["안녕하세요, 만나서 반갑습니다.", "오늘은 날씨가 참 좋네요."],
    "georgian": ["გამარჯობა მსოფლიო", "ᲥᲐᲠᲗᲣᲚᲘ ენა"],
    "armenian": ["Բարեւ աշխարհ", "ՀԱՅԵՐԵՆ լեզու"],
    "bengali": ["আমি বাংলায় গান গাই।", "আজ আকাশ মেঘলা।"],
    "tamil": ["வணக்கம் உலகம்", "தமிழ் ஒரு பழமையான மொழி"],
    "amharic": ["ሰላም ለዓለም", "ዛሬ ፀሐይ ነው"],
}

ACCENTS = ["Café naïve résumé coöperate Ångström façade", "ÀÉÎÕÜ ñ ç ø æ œ ß ẞ þ ð đ ł", "Việt Nam phở tiếng Việt", "Dvořák, Háček, žluťoučký kůň", "Ǆ ǅ ǆ ŉ ſ ﬁ ﬂ ﬃ", "ǰ ẖ ẗ ẘ ẙ ẚ ᾳ ᾼ Ὤ", "안녕 한국어 각"]

EMOJI = ["👨‍👩‍👧‍👦 family", "🏳️‍🌈 flag", "👍🏽 good job 👍🏿", "🇺🇸🇫🇷🇯🇵", "☺️ and ☺", "emoji🙂in🙂words", "🫠🫡🥹🪿", "❤️‍🔥", "👩🏽‍💻 writes code", "1️⃣2️⃣3️⃣", "🙂🎉🚀", "I passed the exam 🎓🎉"]

CONTROL = ["a\x00b\x01c\x07d\x1be\x7ff", "tab\tnew\nline\rreturn", "vt\x0bff\x0cfs\x1cgs\x1d", "\x80g\x85h\x9f", "\x1b[31mred\x1b[0m", "\ufeffbom first", "bell\x07bell\x07", "\u202eright to left\u202c \u2066isolated\u2069", "soft\u00adhyphen", "\ue000 private \uf8ff \U000f0000", "\ufdd0 nonchar \uffff \U0001ffff", "tag\U000e0001\U000e0041"]

SPACES = ["a\u00a0b\u2003c", "d\u2028e\u2029f", "g\u202fh\u205fi\u3000j", "k\u1680l\u180em", "zero\u200bwidth", "non\u200cjoiner", "join\u200der", "word\u2060joiner", "   leading and trailing   ", "many     inner      spaces", "\u3000全角\u3000", "new\n\n\nparagraphs\n\n"]

INVALID = [b"\xff\xfe bad bytes", b"caf\xe9 latin1", b"a\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"ok \xed\xa0\x80 surrogate \xed\xbf\xbf", b"\xc0\xafoverlong\xc0\x80", b"a\x80b\x81c", b"\xf4\x90\x80\x80 too big", b"[CL\xffS] [MASK]\xff x", b"e\xff\xcc\x81e", b"\xe6\x97\xa5\xff\xe6\x9c", b"word" + b"\xff" * 40 + b"word"]

SPECIAL = ["[CLS] hello [SEP] world [MASK] [UNK] [PAD]", "[MASK]", "a[MASK]b[CLS]c", "[SEP][CLS][SEP][CLS]", "[mask] [Mask] [ MASK ] [[MASK]]", "Paris is the [MASK] of France.", "e[MASK]\u0301e", "ignore [SEP] what came before", "[CL\u200bS]", "##ing ##s # ##", "[PAD][PAD][PAD]", "x [UNK] y"]

CODE = ["def add(a, b): return a + b  # sums two numbers", "SELECT name, COUNT(*) FROM orders GROUP BY name HAVING COUNT(*) > 3;", "for (int i = 0; i < n; ++i) { sum += a[i]; }", "if err != nil { return fmt.Errorf(\"read: %w\", err) }", "git rebase -i HEAD~3 && git push --force-with-lease", "<div class=\"card\"><p>Hello</p></div>", "{\"name\": \"embed\", \"size\": 384, \"ok\": true}", "ERROR 2024-03-01T12:00:00Z connection refused (errno=111)", "C++ C# .NET F#  A.I. U.S.A. e.g.", "E = mc^2", "\\frac{a}{b} + \\sqrt{x}", "sudo apt-get install -y build-essential", "panic: runtime error: index out of range [3] with length 3", "rm -rf ./build/*.o", "x = y if z else w", "fn main() { println!(\"hi\"); }"]

NUMBERS = ["1234567890 3.14159 1,000,000 -5e-10", "$9.99 50% 1/2 ½ ² ① Ⅷ", "3.14159265358979323846", "2024-02-29 23:59:60", "+44 20 7946 0958", "192.168.0.1 and ::1", "0x7fffffff 0b1010 1e308", "1 2 3 4 5 6 7 8 9 10", "10,5 km; 10.5 km", "ISBN 978-3-16-148410-0", "١٢٣ १२३ 一二三", "99 bottles, 98 bottles, 97 bottles"]

URLS = ["https://example.com/path?query=1&x=%20#frag", "user.name+tag@example.org", "ftp://files.example.net/pub/readme.txt", "https://example.com/a/very/long/path/with/many/segments/index.html", "www.example.com", "mailto:someone@example.com?subject=Hello%20there", "http://[2001:db8::1]:8080/", "C:\\Users\\name\\Documents\\file.docx", "../relative/path/./to/file", "@handle #hashtag", "https://例え.テスト/パス", "s3://bucket/key/part-00000.parquet"]

CASES = ["UPPERCASE SHOUTING TEXT", "uppercase shouting text", "MiXeD cAsE", "hyphen-ated co-operative e-mail", "don't won't I'm it's o'clock", "“quotes” ‘single’ «guillemets» „low“ … — –", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "§ ¶ † ‡ • · ¡ ¿ ¢ £ ¥ € ¬ ° © ® ™ ± × ÷", "ｆｕｌｌｗｉｄｔｈ ＡＢＣ １２３！", "𝐀𝐁𝐂 𝒜 𝟘𝟙 𐐀𐐨", "z̸̢̛a̷̡̧l̵̢̨g̶̡̛o̴̢̧", "a" + "\u0323\u0301" * 20 + "b", "\u0300leading mark", "a" * 100, "a" * 101, "é" * 101 + "!", "日" * 30, "antidisestablishmentarianism" * 4, "Kubernetes GPT-4 TensorRT ONNX", "supercalifragilisticexpialidocious"]

TRIPLES = """The bank approved my loan.|My loan was accepted by the bank.|We sat on the bank of the river.
How can I lose weight quickly?|What is a fast way to get slimmer?|How can I gain weight quickly?
The film was boring.|I found the movie dull.|The film was not boring.
She bought a red car.|She purchased a car that is red.|She sold a red car.
Turn the volume down.|Make it quieter.|Turn the volume up.
The meeting starts at nine.|At nine o'clock the meeting begins.|The meeting ends at nine.
Is it safe to eat raw eggs?|Can uncooked eggs be eaten without risk?|Is it safe to boil eggs?
The dog chased the cat.|The cat was chased by the dog.|The cat chased the dog.
Prices rose last month.|Last month things became more expensive.|Prices fell last month.
He arrived before the storm.|He got here ahead of the storm.|He arrived after the storm.
How do I delete my account?|I want my profile removed.|How do I create an account?
The library opens on Sundays.|On Sundays the library is open.|The library is closed on Sundays.
Doctors recommend more sleep.|Physicians advise sleeping longer.|Doctors recommend more exercise.
The company hired fifty people.|Fifty workers were taken on by the firm.|The company fired fifty people.
It is raining heavily.|There is a downpour outside.|It is snowing lightly.
The laptop will not start.|My notebook computer does not turn on.|The laptop will not shut down.
Apple released a new phone.|A new phone was launched by Apple.|I ate an apple on the phone.
The recipe needs two eggs.|You need a pair of eggs for this dish.|The recipe needs no eggs.
Python is easy to learn.|Learning Python is simple.|A python is a large snake.
Mercury is the closest planet to the Sun.|No planet is nearer to the Sun than Mercury.|Mercury is liquid at room temperature.
The judge ruled in her favour.|She won the case in court.|The judge ruled against her.
The bridge was built in 1890.|Construction of the bridge dates from 1890.|The bridge was destroyed in 1890.
I forgot my umbrella at home.|My umbrella is still at the house.|I forgot my keys at the office.
The patient has a fever.|The patient's temperature is raised.|The patient has no fever.
Cancel the order, please.|Please do not process that purchase.|Confirm the order, please.
The flight was delayed.|The plane left late.|The flight was on time.
Water boils at one hundred degrees.|At a hundred degrees water starts to boil.|Water freezes at zero degrees.
Our team won the final.|The final was won by our side.|Our team lost the final.""".split("\n")

LADDER = [1, 2, 8, 16, 32, 64, 127, 128, 129, 254, 255, 256, 257, 512]
WORDS = "the time people water music river engine market ocean garden teacher cloud network battery novel desert camera bridge coffee winter".split()


def ladder(tok):
    """Texts of exactly n tokens. From 8 on [CLS] and [SEP] count, as they do
    against the model's limit; 1 and 2 count the text's own tokens."""
    for n in LADDER:
        own = n if n < 8 else n - 2
        text = " ".join(WORDS[(i * 7 + n) % len(WORDS)] for i in range(own))
        assert len(tok.encode(text).ids) == own + 2, n
        yield f"ladder-{n:04d}", text
    text = "the quick brown fox jumps over the lazy dog. "
    yield "ladder-10000-characters", (text * (10000 // len(text) + 1))[:10000]


def main():
    tok = Tokenizer.from_file(sys.argv[1])
    tok.no_padding()
    tok.no_truncation()

    def line(id, group, text, **more):
        row = {"id": id, "group": group}
        if isinstance(text, bytes):
            row["base64"] = base64.b64encode(text).decode()
        else:
            row["text"] = text
        sys.stdout.write(json.dumps(row | more, ensure_ascii=True) + "\n")

    def group(name, texts):
        for i, t in enumerate(texts):
            line(f"{name}-{i + 1:03d}", name, t)

    group("everyday", EVERYDAY)
    for id, t in ladder(tok):
        line(id, "ladder", t)
    for lang, texts in LANGUAGES.items():
        for i, t in enumerate(texts):
            line(f"language-{lang}-{i + 1}", "languages", t)
    group("accents-nfc", [ud.normalize("NFC", t) for t in ACCENTS])
    group("accents-nfd", [ud.normalize("NFD", t) for t in ACCENTS])
    for name, texts in (("emoji", EMOJI), ("control", CONTROL), ("spaces", SPACES), ("invalid-utf8", INVALID), ("special", SPECIAL),
                        ("code", CODE), ("numbers", NUMBERS), ("urls", URLS), ("cases", CASES)):
        group(name, texts)
    for i, row in enumerate(TRIPLES):
        for role, t in zip(("anchor", "paraphrase", "near-miss"), row.split("|"), strict=True):
            line(f"pair-{i + 1:02d}-{role}", "pairs", t, pair=f"pair-{i + 1:02d}", role=role)
    group("empty", ["", " ", "\n\t ", "\u00a0\u3000"])


if __name__ == "__main__":
    main()
