"""The texts on which calibrate.py measures how large values become.

Used for nothing else: no text of a golden corpus may be here, so that the
measurement is not made on the texts that decided the export (a test checks it).
They differ in subject, length, language and script, and some are no prose.
"""

_PROSE = """I cannot find the receipt for the washing machine.
The courier rang twice and left a card.
Change my billing date to the fifteenth, please.
Why was I charged a late fee in March?
The screen flickers when brightness is low.
Two buttons fell off the coat within a week.
Is this kettle safe to use with hard water?
The speakers hum whenever the charger is plugged in.
A wonderful gift, beautifully wrapped.
Waste of money. Avoid.
Three stars: decent picture, terrible sound.
The plot made no sense, yet I could not look away.
Her second album is quieter and braver than the first.
We waited forty minutes for a table and left hungry.
The view from the balcony made up for the thin walls.
Breakfast ended before anyone on our floor was awake.
The museum is free on the first Thursday of the month.
Bond yields climbed to their highest level in a decade.
The retailer will close a third of its stores.
Unemployment fell for the fifth month running.
Farmers fear that the frost has ruined the apricots.
The senate rejected the treaty after a long debate.
A cargo ship ran aground near the harbour mouth.
Firefighters brought the blaze under control at dawn.
An earthquake was felt as far away as the coast.
Astronomers have found water vapour around a distant planet.
The goalkeeper saved two penalties.
Rain stopped play shortly before lunch.
The cyclist attacked on the last climb and stayed away.
Their captain retired with a torn ligament.
The patient reports dizziness on standing.
Symptoms improved after a week of antibiotics.
Do not drive while taking this medicine.
An MRI of the knee revealed a torn meniscus.
Allergic to penicillin; no other known allergies.
Insulin regulates the uptake of sugar by the cells.
The lease may be renewed once, for a further term of five years.
The defendant pleaded not guilty to all counts.
This agreement is governed by the laws of the Netherlands.
The licensee shall indemnify the licensor against third-party claims.
No waiver of any breach shall be deemed a waiver of a later one.
Peel the aubergines, salt them and leave them to drain.
Whisk the egg whites until they hold soft peaks.
Simmer gently for twenty minutes, stirring now and then.
Serve with rice and a spoonful of yoghurt.
Fold in the chocolate before the mixture sets.
Enzymes lower the activation energy of a reaction.
Glaciers carve valleys shaped like the letter U.
Copper conducts electricity better than iron.
Bats find their way by listening to echoes.
A neutron star packs the mass of the Sun into a city.
The square root of two is irrational.
Every even number greater than two seems to be the sum of two primes.
What language do people speak in Brazil?
Portuguese is spoken in Brazil.
How far is it from Lisbon to Porto?
Who painted the ceiling of the chapel?
Which planet has the most moons?
When did the last ice age end?
Why do cats purr?
How long should I boil an egg?
The tram to the airport leaves every ten minutes.
Your connection in Frankfurt has been cancelled.
Follow the signs to the ferry terminal.
Parking is forbidden on market days.
The lift is out of order; please use the stairs.
How can I undo the last commit?
The query planner ignores the new index.
Disk usage grew by forty gigabytes overnight.
The container restarts every few minutes without a message.
Why does my loop never end?
Memory is leaking somewhere in the image decoder.
Add a regression test before you fix the bug.
Who is on call this weekend?
Let us talk about the budget on Tuesday.
Please find attached the signed agreement.
I will be travelling until the end of the month.
Congratulations on the new job!
Sorry for the late reply.
The dog buried its bone under the roses.
Snow fell on the quiet harbour.
Grandmother kept the letters in a biscuit tin.
A lantern swung in the doorway.
The violinist tuned her instrument with closed eyes.
Peter Piper picked a peck of pickled peppers.
All happy families are alike.
Call me Ishmael.
It is a truth universally acknowledged.
Time flies like an arrow; fruit flies like a banana.
The old man the boat.
Nobody goes there anymore, it is too crowded.
She did not say that he stole the money.
The shop sells neither bread nor milk.
Open the window.
Close the window.
Yes.
No, thank you.
Hello
hi there
thanks!
maybe
why
What?
Cheap flights to Rome in October
best noise cancelling headphones under 200
how to remove red wine stains
weather tomorrow
symptoms of dehydration in adults
pasta recipe without tomatoes
convert miles to kilometres
used bicycle for sale near me
quiet cafe with wifi
birthday present for a ten year old
Trains from Vienna to Prague
does vitamin d help with sleep
jobs in marine biology
translate good evening into Italian
The quarterly report shows that sales rose in the north and fell in the south.
Volunteers planted nine hundred trees along the canal last weekend.
The committee postponed its decision until the engineers have inspected the dam.
After the concert the crowd walked home across the old bridge, singing.
If the pump makes a grinding noise, switch it off at once and call the service.
Unlike her brother, who loved the sea, she preferred the mountains and their silence.
The new law requires landlords to disclose the energy use of every flat.
Researchers trained the network on recordings of birds from three continents.
Because the harvest failed twice, the price of cocoa has doubled within a year.
The witness could describe the car, but not the person who drove it.
Although the vaccine is effective, its protection fades after several months.
Replace the filter every three months or whenever the red light comes on.
The startup raised twelve million to build batteries from sodium.
Refunds are paid to the card that was used for the purchase.
Passengers with small children are invited to board first.
The library lends telescopes, sewing machines and a very old accordion.""".split("\n")

_LANGUAGES = """Der Zug nach Leipzig hat heute zwanzig Minuten Verspätung.
Können Sie mir bitte die Rechnung noch einmal schicken?
Straßenbahn, Fußgängerübergang, Größe und Öl
Mein Hund frisst alles außer Möhren.
Le magasin ferme plus tôt le dimanche.
J'ai oublié mon mot de passe, que dois-je faire ?
Le garçon a mangé la pomme près du château.
El tren de las nueve sale del andén cinco.
¿Cuánto cuesta el envío a las islas?
Mañana lloverá en toda la costa.
Il gatto dorme sul divano tutto il giorno.
Perché il cielo è rosso al tramonto?
O pão está fresco e o café também.
Não consigo abrir o ficheiro que me enviaste.
De winkel is vandaag gesloten wegens ziekte.
Hvor ligger nærmeste apotek?
Jag skulle vilja boka ett bord för två.
Missä on lähin bussipysäkki?
Gdzie mogę kupić bilet na pociąg?
Zítra bude svítit slunce.
Hol van a pályaudvar?
Unde este cea mai apropiată farmacie?
Bugün pazara gidip taze balık aldık.
Çocuklar bahçede oynuyor.
Con mèo đang ngủ trên ghế.
Hôm qua tôi đi chợ mua cá.
Сегодня вечером будет сильный ветер.
Где находится ближайшая аптека?
Поезд опоздал на полчаса.
Завтра підемо до лісу по гриби.
Времето днес е слънчево.
Το πλοίο φεύγει στις οκτώ.
Πόσο κάνει το ψωμί;
القطار يصل في الساعة التاسعة.
أين توجد أقرب صيدلية؟
הרכבת יוצאת בשעה שמונה.
איפה בית המרקחת?
قطار فردا صبح حرکت می‌کند.
मुझे एक कप चाय चाहिए।
रेलगाड़ी समय पर आई।
আজ খুব গরম পড়েছে।
இன்று மழை பெய்யும்.
ఈ రోజు చాలా చల్లగా ఉంది.
ร้านอาหารปิดวันจันทร์
รถไฟออกกี่โมง
火车晚点了半个小时。
请问最近的药店在哪里?
这本书很有意思。
我們明天去爬山。
電車は九時に出発します。
駅はどこですか。
この映画はとても面白かった。
カメラを買いました
기차가 늦게 도착했습니다.
약국이 어디에 있어요?
მატარებელი დააგვიანდა
Գնացքը ուշացավ
ባቡሩ ዘግይቷል
Treni umechelewa leo.
Kereta api terlambat setengah jam.
Malapit lang ang palengke.
lorem ipsum dolor sit amet, consectetur adipiscing elit""".split("\n")

_THINGS = r"""def area(r): return 3.14159 * r ** 2
for i in range(10): print(i, i * i)
while (p != NULL) { free(p->data); p = p->next; }
SELECT id, total FROM invoices WHERE paid = 0 ORDER BY due LIMIT 20;
UPDATE users SET active = false WHERE last_seen < '2020-01-01';
import numpy as np; x = np.linspace(0, 1, 101)
const sum = (a, b) => a + b;
let mut v: Vec<u32> = Vec::with_capacity(16);
public static void main(String[] args) { System.out.println("ok"); }
git commit -m "Fix the off-by-one in pagination"
docker run --rm -it -p 8080:80 nginx:alpine
curl -sSf -H 'Accept: application/json' https://api.example.org/v2/items
grep -rn "TODO" src | wc -l
<a href="/about">About us</a><br/>
<?xml version="1.0" encoding="UTF-8"?><note><to>Ada</to></note>
{"user": {"id": 17, "tags": ["a", "b"], "score": 0.5}}
- name: build
Traceback (most recent call last): KeyError: 'price'
NullPointerException at OrderService.java:214
segmentation fault (core dumped)
warning: unused variable `count`
2023-11-30 08:15:42,117 WARN pool exhausted, waiting 250 ms
HTTP/1.1 404 Not Found
0xDEADBEEF 0b1101 0o755
192.0.2.44:5432
fe80::1ff:fe23:4567:890a
https://www.example.net/search?q=blue+shoes&page=2
ftp.example.com/pub/archive.tar.gz
C:\Program Files\Tool\tool.exe
/usr/share/doc/readme.md
support@example.com
@someone #throwback
ISBN 0-306-40615-2
DE89 3704 0044 0532 0130 00
+1 (555) 010-7788
Room 12B, 3rd floor
1.5 million
42
3/4 cup
-17.5 °C
12:45
31/12/1999
€ 1.299,00
£45 per head
7 8 9 10 11 12 13
1000000007
5 + 7 = 12
a^2 + b^2 = c^2
\int_0^1 x^2 dx = 1/3
H2SO4 + 2 NaOH
ATGCGTACCTGA
x
?
...
!!!
-----
***
( )
[link](page)
== Heading ==
| a | b |
™ © ® § ¶
½ ¼ ¾ ²³
α β γ δ → ∞ ≠ ≤
“curly quotes” and ‘single ones’
naïve jalapeño crème brûlée
Zürich Łódź Tromsø Þórshöfn
ÅÄÖ åäö
e-mail co-worker twenty-one
o'neill's don't shan't y'all
UPPER CASE NOTICE: DO NOT ENTER
lower case without any punctuation at all
CamelCaseIdentifier snake_case_name kebab-case-name
WiFi iPhone eBay LaTeX
COVID-19 GPT F-16 5G
pneumonoultramicroscopicsilicovolcanoconiosis
Donaudampfschifffahrtsgesellschaft
zzzzzzzzzzzzzzzzzzzz
abababababababababab
qwertyuiop asdfghjkl
buffalo buffalo buffalo buffalo
very very very very very good
🍕
😂😂😂
☕ and 🥐
👋🏼 hello 👋🏿
🇧🇷🇩🇰
🧑‍🚀 to the moon 🌙
great job 👏👏 keep going 💪
:-) ;-P <3
¯\_(ツ)_/¯
♥ ♦ ♣ ♠
░▒▓█
ﷺ
㍿ ㎏ ℡
ＡＢ　１２""".split("\n")

_STRANGE = ["\t\ttabs\tbetween", "line one\nline two\n\nline four", "  spaces   everywhere  ", "bell\x07 and \x1b escape", "zero\u200bwidth\u200djoiner", "\u202dleft to right", "\ufeffmark", "caf\u0065\u0301 decomposed", "\ue0ff \U0010fffd", "[MASK] of the town", "[SEP]", "what [CLS] is [UNK] this", "##ed ##s", "\u00adsoft hyphens\u00ad", "."]


def _long(sentences: list[str], each: int, step: int) -> list[str]:
    return [" ".join(sentences[(at + i * step) % len(sentences)] for i in range(each)) for at in range(0, len(sentences), 3 * each)]


TEXTS = _PROSE + _LANGUAGES + _THINGS + _STRANGE + _long(_PROSE, 4, 7) + _long(_LANGUAGES, 3, 5) + _long(_THINGS, 6, 11) + _long(_PROSE[64:], 20, 5)[:2] + _long(_THINGS, 24, 5)[:1]
